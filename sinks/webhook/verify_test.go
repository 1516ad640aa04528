package webhook

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

func verifiers(t testing.TB, keys ...string) (out []verifier) {
	t.Helper()
	for _, key := range keys {
		v, err := newVerifier(options.NewSecret(key))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

const (
	testKey    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherKey   = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	privateOne = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	publicOne  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

// TestVerify proves that requests are refused which a receiver must refuse, here and by the official
// library.
func TestVerify(t *testing.T) {
	const body = `{"test": 2432232314}`
	now := time.Now()
	signed := func(at time.Time, keys ...string) http.Header {
		h := http.Header{}
		var signers []signer
		for _, key := range keys {
			s, err := newSigner(options.NewSecret(key))
			if err != nil {
				t.Fatal(err)
			}
			signers = append(signers, s)
		}
		stamp := strconv.FormatInt(at.Unix(), 10)
		h.Set("webhook-id", "msg_1")
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", signature(signers, "msg_1", stamp, []byte(body)))
		return h
	}
	without := func(name string) http.Header {
		h := signed(now, testKey)
		h.Del(name)
		return h
	}
	with := func(name, value string) http.Header {
		h := signed(now, testKey)
		h.Set(name, value)
		return h
	}
	right := signed(now, testKey).Get("webhook-signature")
	for name, tc := range map[string]struct {
		header http.Header
		body   string
		ok     bool
	}{
		"right":                 {header: signed(now, testKey), ok: true},
		"one of two keys":       {header: signed(now, otherKey, testKey), ok: true},
		"wrong, then right":     {header: with("webhook-signature", "v1,c2h1cg== v1, v1a,AAAA "+right), ok: true},
		"4 min 50 s old":        {header: signed(now.Add(-4*time.Minute-50*time.Second), testKey), ok: true},
		"5 min 1 s old":         {header: signed(now.Add(-5*time.Minute-time.Second), testKey)},
		"5 min 2 s ahead":       {header: signed(now.Add(5*time.Minute+2*time.Second), testKey)},
		"another key":           {header: signed(now, otherKey)},
		"another body":          {header: signed(now, testKey), body: body + " "},
		"another id":            {header: with("webhook-id", "msg_2")},
		"another timestamp":     {header: with("webhook-timestamp", strconv.FormatInt(now.Unix()-1, 10))},
		"no timestamp at all":   {header: with("webhook-timestamp", "soon")},
		"empty v1,":             {header: with("webhook-signature", "v1,")},
		"no version":            {header: with("webhook-signature", strings.TrimPrefix(right, "v1,"))},
		"as another version":    {header: with("webhook-signature", "v2,"+strings.TrimPrefix(right, "v1,"))},
		"without the id":        {header: without("webhook-id")},
		"without the timestamp": {header: without("webhook-timestamp")},
		"without the signature": {header: without("webhook-signature")},
	} {
		if tc.body == "" {
			tc.body = body
		}
		version, err := verify(verifiers(t, testKey), tc.header, []byte(tc.body), now)
		if (err == nil) != tc.ok || tc.ok && version != "v1" {
			t.Errorf("%s: %s, %v", name, version, err)
		}
		official, err := standardwebhooks.NewWebhook(testKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := official.Verify([]byte(tc.body), tc.header); (err == nil) != tc.ok {
			t.Errorf("%s: the official library says %v", name, err)
		}
	}
	for _, key := range []string{privateOne, publicOne} {
		if version, err := verify(verifiers(t, otherKey, key), signed(now, privateOne), []byte(body), now); err != nil || version != "v1a" {
			t.Errorf("%s: %s, %v", key, version, err)
		}
	}
	if _, err := newVerifier(options.NewSecret("whpk_AAAA")); err == nil || strings.Contains(err.Error(), "AAAA") {
		t.Error(err)
	}
}

// TestListen proves what `gateway webhook listen` answers to valid and invalid requests.
func TestListen(t *testing.T) {
	lines := make(chan string, 100)
	r, w := io.Pipe()
	go func() {
		var rest string
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			rest += string(buf[:n])
			for {
				line, after, found := strings.Cut(rest, "\n")
				if !found {
					break
				}
				lines <- line
				rest = after
			}
			if err != nil {
				close(lines)
				return
			}
		}
	}()
	f := flag.NewFlagSet("webhook", flag.ContinueOnError)
	run := command().New(f)
	if err := f.Parse([]string{"--address", "127.0.0.1:0", "--status", "202"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, plugin.Invocation{Args: []string{"listen"}, Out: w, Lookup: func(string) (string, bool, error) { return testKey, true, nil }})
		w.Close()
	}()
	var url string
	if _, err := fmt.Sscanf(<-lines, "listening on %s verifying", &url); err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSuffix(url, ",")
	o := Options{URL: options.NewURL(url + "/in"), Secrets: []options.Secret{options.NewSecret(testKey)}}
	wants := func(parts ...string) {
		t.Helper()
		for _, part := range parts {
			if line := <-lines; !strings.Contains(line, part) {
				t.Errorf("%s lacks %s", line, part)
			}
		}
	}
	for _, again := range []string{`id="7": signature v1 is right; answered 202`, `id="7", time 2: signature v1 is right; answered 202`} {
		if err := send(t, o, &event.Event{ID: "7", Data: []byte(`{"id":7}`)}); err != nil {
			t.Error(err)
		}
		wants(again, `  {"id":7}`)
	}
	o.Secrets = nil
	if err := send(t, o, &event.Event{ID: "8", Data: []byte("\x1b[2J")}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("not signed: %v", err)
	}
	wants(`WRONG: the header webhook-signature is missing; answered 401`, `"\x1b[2J"`)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for range lines { // until it is closed
	}
}
