package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// heard is an endpoint that passes on what it was asked.
func heard(t *testing.T) (url string, requests chan *http.Request) {
	requests = make(chan *http.Request, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// TestTemplates proves that an event fills only the places that the templates give it.
func TestTemplates(t *testing.T) {
	url, requests := heard(t)
	headers := options.Map[options.Secret]{
		{Key: "X-Operation", Value: options.NewSecret("Op {{ operation }}")},
		{Key: "content-type", Value: options.NewSecret("application/vnd.order+json")},
	}
	for _, tc := range []struct{ method, path, query, data, want string }{
		{"POST", "", "?token=1", `{"operation":"INSERT"}`, "POST /in?token=1 INSERT"},
		{`{{ operation == "DELETE" ? "DELETE" : "PUT" }}`, "/orders/{{ order.id }}", "?token=1", `{"operation":"DELETE","order":{"id":7}}`, "DELETE /in/orders/7?token=1 DELETE"},
		{"PATCH", "orders/{{ id }}?id={{ id }}", "", `{"operation":"x","id":"a/b?c=d&e#f %é"}`, "PATCH /in/orders/a%2Fb%3Fc%3Dd%26e%23f%20%25%C3%A9?id=a%2Fb%3Fc%3Dd%26e%23f%20%25%C3%A9 x"},
		{"PUT", "/orders/{{ id }}", "?x=1", "{\"operation\":\"a\\r\\nX-Evil: 1\\u0000\\u007f\\tb\",\"id\":12345678901234567890}", "PUT /in/orders/12345678901234567890?x=1 aX-Evil: 1\tb"},
	} {
		o := Options{URL: options.NewURL(url + "/in" + tc.query), Method: expr.MustTemplate(tc.method), Path: expr.MustTemplate(tc.path), Headers: headers}
		if err := send(t, o, &event.Event{Data: []byte(tc.data)}); err != nil {
			t.Errorf("%s: %v", tc.want, err)
			continue
		}
		r := <-requests
		if got := fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, strings.TrimPrefix(r.Header.Get("X-Operation"), "Op ")); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
		if r.Header.Get("X-Evil") != "" || r.Header.Get("Content-Type") != "application/vnd.order+json" {
			t.Errorf("headers %v", r.Header)
		}
	}
	for name, tc := range map[string]Options{
		"method":        {Method: expr.MustTemplate("{{ operation }}")},
		"path":          {Path: expr.MustTemplate("/{{ id }}/x")},
		"header X-Fail": {Headers: options.Map[options.Secret]{{Key: "X-Fail", Value: options.NewSecret("s3cret {{ missing.member }}")}}},
	} {
		tc.URL = options.NewURL(url)
		err := send(t, tc, &event.Event{Data: []byte(`{"operation":"CONNECT","id":".."}`)})
		if err == nil || !plugin.IsPermanent(err) || !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(requests) != 0 {
		t.Errorf("%d requests were made", len(requests))
	}
}

// TestWrongOptions proves that errors name the wrong option.
func TestWrongOptions(t *testing.T) {
	header := func(name, value string) Options {
		return Options{Headers: options.Map[options.Secret]{{Key: name, Value: options.NewSecret(value)}}}
	}
	for want, o := range map[string]Options{
		"method: must be POST, PUT": {Method: expr.MustTemplate("GET")},
		"path: must not have":       {Path: expr.MustTemplate("/a/../{{ id }}")}, "path: has a #fragment": {Path: expr.MustTemplate("/a#b")},
		"ce_subject: is for": {CESubject: expr.MustTemplate("x")}, "proxy: names no host": {Proxy: options.NewURL("http:///")},
		"headers.authorization: is there already": {Headers: options.Map[options.Secret]{{Key: "Authorization", Value: options.NewSecret("a")}, {Key: "authorization", Value: options.NewSecret("b")}}},
		"headers.X: ":           header("X", "{{ ((( }}"),
		"url: must have a port": {URL: options.NewURL("https://shop.example:99999")}, "url: has a #fragment": {URL: options.NewURL("https://shop.example/#x")},
		"url: holds an expression": {URL: options.NewURL("https://shop.example/?id={{ id }}")},
		"ce_type: is required":     {CloudEvents: binary},
		"ce_type: is for":          {CEType: expr.MustTemplate("x"), CloudEvents: none},
		"headers.host: is set":     header("host", "x"), "headers.content-length: is set": header("content-length", "x"),
		"headers.webhook-foo: is set": header("webhook-foo", "x"), "headers.a b: is not": header("a b", "x"),
		"headers.Y: must not": header("Y", "a\nb"),
	} {
		if o.URL.IsZero() {
			o.URL = options.NewURL("https://shop.example")
		}
		fill(&o)
		got := ""
		o.Check(func(option, text string) { got += option + ": " + text })
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

// TestValuesStayOneSegment proves that a value is one segment of the path, and that an event with an
// empty value becomes a dead letter.
func TestValuesStayOneSegment(t *testing.T) {
	url, requests := heard(t)
	for _, tc := range []struct{ base, path, data, want string }{
		{"/in", "/größe/{{ id }}", `{"id":"7/x"}`, "/in/gr%C3%B6%C3%9Fe/7%2Fx"},
		{"/in", "/my orders/{{ id }}", `{"id":"7/x"}`, "/in/my%20orders/7%2Fx"},
		{"/in", "/a|b/{{ id }}", `{"id":"7/x"}`, "/in/a%7Cb/7%2Fx"},
		{"/in%2F", "/orders/{{ id }}", `{"id":"7/x"}`, "/in%2F/orders/7%2Fx"},
		{"/in/", "//orders/{{ id }}", `{"id":"//evil"}`, "/in/orders/%2F%2Fevil"},
		{"", "/{{ id }}?q={{ q }}", `{"id":"@evil:99","q":null}`, "/%40evil%3A99?q="},
		{"/in", "/a%2Fb/{{ id }}", `{"id":"%2F"}`, "/in/a%2Fb/%252F"},
		{"/in", "/orders/{{ id }}", `{"id":""}`, ""}, {"/in", "/orders/{{ id }}", `{"id":null}`, ""}, {"/in", "/orders/{{ id }}/close", `{"x":1}`, ""},
		{"/in", "{{ id }}", `{"id":".."}`, ""}, {"/in", "/a%zz/{{ id }}", `{"id":1}`, ""},
	} {
		err := send(t, Options{URL: options.NewURL(url + tc.base), Path: expr.MustTemplate(tc.path)}, &event.Event{Data: []byte(tc.data)})
		if tc.want == "" {
			if err == nil || !plugin.IsPermanent(err) || !strings.HasPrefix(err.Error(), "path: ") {
				t.Errorf("%s of %s: %v", tc.path, tc.data, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s of %s: %v", tc.path, tc.data, err)
			continue
		}
		if got := (<-requests).RequestURI; got != tc.want {
			t.Errorf("%s of %s: got %s, want %s", tc.path, tc.data, got, tc.want)
		}
	}
	if len(requests) > 0 {
		t.Errorf("%d requests more", len(requests))
	}
}

// TestCloudEvents proves both forms of CloudEvents, with the id of the webhook.
func TestCloudEvents(t *testing.T) {
	url, bodies, headers := endpoint(t, 200, nil)
	e := &event.Event{ID: `7 "ü"`, Source: "db", Channel: "orders", Time: time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC), Data: []byte(`{"n":"Euro € 😀"}`)}
	o := Options{
		URL: options.NewURL(url), CloudEvents: binary, CEType: expr.MustTemplate("com.example.order"), CESubject: expr.MustTemplate("{{ n }}"),
		Secrets: []options.Secret{options.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
	}
	if err := send(t, o, e); err != nil {
		t.Fatal(err)
	}
	body, h := <-bodies, <-headers
	for name, want := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "7%20%22%C3%BC%22", "Webhook-Id": "7%20%22%C3%BC%22", "Ce-Source": "/db/orders", "Ce-Type": "com.example.order",
		"Ce-Subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "Ce-Time": "2024-01-02T03:04:05.678Z", "Content-Type": "application/json", "Ce-Datacontenttype": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if body != string(e.Data) {
		t.Errorf("body %s", body)
	}
	o.CloudEvents = structured
	if err := send(t, o, e); err != nil {
		t.Fatal(err)
	}
	body, h = <-bodies, <-headers
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got["id"] != h.Get("Webhook-Id") || got["subject"] != "Euro € 😀" || got["specversion"] != "1.0" || got["data"].(map[string]any)["n"] != "Euro € 😀" ||
		h.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" || h.Get("Ce-Id") != "" {
		t.Errorf("%s, headers %v", body, h)
	}
	if _, err := verify(verifiers(t, o.Secrets[0].Reveal()), h, []byte(body), time.Now()); err != nil {
		t.Error(err)
	}
	o.CEType = expr.MustTemplate("{{ nothing }}")
	if err := send(t, o, e); err == nil || !plugin.IsPermanent(err) {
		t.Errorf("without a type: %v", err)
	}
}
