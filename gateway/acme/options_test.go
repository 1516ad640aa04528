package acme_test

import (
	"strings"
	"testing"

	"eventgateway/gateway/acme"
	"eventgateway/gateway/options"
)

// TestOptions proves that each mistake is reported at its option.
func TestOptions(t *testing.T) {
	right := map[string]any{"domains": []any{"shop.example", "192.0.2.1", "xn--bcher-kva.example"}, "email": "ops@shop.example", "terms_agreed": true}
	for name, c := range map[string]struct {
		change       map[string]any
		option, want string // "": no problem
	}{
		"right":                 {nil, "", ""},
		"all":                   {map[string]any{"storage": "/var/lib/gateway/acme", "http_port": 80, "profile": "shortlived", "directory": "https://ca.example/dir", "external_account": map[string]any{"key_id": "k", "key": "c2VjcmV0LXNlY3JldA=="}}, "", ""},
		"no name":               {map[string]any{"domains": []any{}}, "domains", "is missing"},
		"a wildcard":            {map[string]any{"domains": []any{"*.shop.example"}}, "domains", "dns-01"},
		"a port":                {map[string]any{"domains": []any{"shop.example:443"}}, "domains", "no name of a host"},
		"upper case":            {map[string]any{"domains": []any{"Shop.example"}}, "domains", "no name of a host"},
		"a long name":           {map[string]any{"domains": []any{strings.Repeat("a.", 130) + "example"}}, "domains", "over 253"},
		"no address":            {map[string]any{"email": "ops"}, "email", "is not an address"},
		"a name and an address": {map[string]any{"email": "Ops <ops@shop.example>"}, "email", "is not an address"},
		"not agreed":            {map[string]any{"terms_agreed": false}, "terms_agreed", "read the terms"},
		"no encryption":         {map[string]any{"directory": "http://ca.example/dir"}, "directory", "https://"},
		"a relative folder":     {map[string]any{"storage": "acme"}, "storage", "begins with /"},
		"half an account":       {map[string]any{"external_account": map[string]any{"key_id": "k"}}, "external_account", "key_id and key"},
		"a key not in base64":   {map[string]any{"external_account": map[string]any{"key_id": "k", "key": "hunter2hunter2!"}}, "external_account.key", "base64url"},
		"no port":               {map[string]any{"http_port": 65536}, "http_port", "65535"},
	} {
		raw := map[string]any{}
		for _, m := range []map[string]any{right, c.change} {
			for option, value := range m {
				raw[option] = value
			}
		}
		o := acme.Defaults()
		var d options.Decoder
		d.Decode("http.tls.acme", raw, &o)
		switch {
		case c.want == "" && len(d.Problems) > 0:
			t.Errorf("%s: %v", name, d.Problems)
		case c.want == "":
		case len(d.Problems) != 1 || d.Problems[0].Path != "http.tls.acme."+c.option || !strings.Contains(d.Problems[0].Text, c.want) || strings.Contains(d.Problems[0].Text, "hunter2"):
			t.Errorf("%s: %v, want %s: %s", name, d.Problems, c.option, c.want)
		}
	}
}
