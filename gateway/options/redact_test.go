package options

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type withSecrets struct {
	URL     URL         `koanf:"url"`
	Headers Map[Secret] `koanf:"headers"`
	Keys    []Secret    `koanf:"keys"`
	Nested  struct {
		Token Secret `koanf:"token"`
	} `koanf:"nested"`
	Name string `koanf:"name"`
}

// TestRedactorFindsEveryForm proves that each form of a secret is hidden, and parts of it in text that is cut.
func TestRedactorFindsEveryForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Z][a-zA-Z0-9/+@ "%?&#=]{6,30}[0-9]`).Draw(t, "secret")
		before, after := rapid.StringMatching(`[!.]{0,5}`).Draw(t, "before"), rapid.StringMatching(`[!.]{0,5}`).Draw(t, "after")
		o := withSecrets{Name: "orders"}
		o.Nested.Token = NewSecret(secret)
		r := NewRedactor(&o)
		js, _ := json.Marshal(secret)
		for _, form := range []string{secret, strings.ToLower(secret), strings.ToUpper(secret), url.QueryEscape(secret), url.PathEscape(secret), fmt.Sprintf("%q", secret), string(js), hex.EncodeToString([]byte(secret))} {
			text := before + form + after
			if got := r.Text(text); strings.Contains(got, form) || len(got) > len(before)+len(after)+12 {
				t.Fatalf("%s: %s shows as %s", secret, text, got)
			}
		}
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString([]byte(before + secret + after))
			if got := strings.ReplaceAll(r.Text(text), "***", ""); len(secret) > 10 && len(got) > 2*(len(before)+len(after))+10 {
				t.Fatalf("%s: %s shows as %s", secret, text, got)
			}
		}
		if cut := secret[:8]; strings.Contains(r.Text("says "+cut), cut) {
			t.Fatalf("the beginning of %s shows", secret)
		}
	})
}

// TestRedactorOfURLs proves that the secret parts of URLs are hidden, and the rest stays readable.
func TestRedactorOfURLs(t *testing.T) {
	for _, tc := range []struct{ url, text, want string }{
		{"https://hooks.example/services/T0/B0/xyZ9", "POST https://hooks.example/services/T0/B0/xyZ9 failed", "POST https://hooks.example/services/*** failed"},
		{"https://h/in/aB1", `"/in/aB1" is not there, /in/other is`, `"***" is not there, /in/other is`},
		{"https://h/orders/hook", "404: no route /orders/hook, but /orders/hooks", "404: no route ***, but /orders/hooks"},
		{"https://h/?k=abc", "the query k=abc", "the query ***"},
		{"https://h/?key=abcdefgh1&x=1", "key=ABCDEFGH1 is wrong", "key=*** is wrong"},
		{"https://u:p%40ss9@h/", "p@ss9, p%40ss9, and " + base64.StdEncoding.EncodeToString([]byte("u:p@ss9")), "***, ***, and ***"},
		{"postgres://user:p@ss1@db/x", "lookup ss1@db: user p@ss1", "lookup ss1@db: user ***"},
		{"postgres://postgres:postgres@db/x?sslmode=disable", `postgres://h, "postgres-notify": role "postgres" does not exist`, `postgres://h, "postgres-notify": role "***" does not exist`},
		{"postgres://postgres@db/postgres", `role "postgres" does not exist`, `role "postgres" does not exist`},
		{"redis://secret-token@h", "user secret-token", "user ***"},
		{"redis://h?sentinel_password=Sent1nelPW&db=1", "no Sent1nelPW", "no ***"},
		{"embedded", "embedded", "embedded"},
		{"https://h/a", "a: b", "a: b"},
	} {
		if got := NewRedactor(&withSecrets{URL: NewURL(tc.url)}).Text(tc.text); got != tc.want {
			t.Errorf("%s: got\n%s, want\n%s", tc.url, got, tc.want)
		}
	}
}

// TestRedactorKeepsPublicParts proves that schemes, frames of keys, expressions and short texts stay readable.
func TestRedactorKeepsPublicParts(t *testing.T) {
	o := withSecrets{
		Headers: Map[Secret]{{"A", NewSecret("Bearer aB3dE5gH7")}, {"B", NewSecret("Basic {{ '' + 'inNer7Secret' + string(operation) }} ouTer8Secret")}, {"C", NewSecret("abc")}},
		Keys:    []Secret{NewSecret("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0C\n-----END PUBLIC KEY-----")},
	}
	r := NewRedactor(&o, "p1ainText")
	for text, want := range map[string]string{
		"Bearer aB3dE5gH7": "Bearer ***", "there is no operation: inNer7Secret, ouTer8Secret": "there is no operation: ***, ***",
		"basic auth, abc": "basic auth, abc", "begins with -----BEGIN PUBLIC KEY: MFkwEwYHKoZI": "begins with -----BEGIN PUBLIC KEY: ***", "x p1aintext y": "x *** y",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%s became %s", text, got)
		}
	}
	var none *Redactor
	if none.Text("x") != "x" || none.Error(nil) != nil || r.Error(nil) != nil {
		t.Error("nothing does not stay nothing")
	}
	inner := &fs.PathError{Op: "open", Path: "p1ainText", Err: fs.ErrNotExist}
	err := r.Error(fmt.Errorf("it: %w", inner))
	if err.Error() != "it: open ***: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestRedactLog proves that secrets are hidden in every part of a record.
func TestRedactLog(t *testing.T) {
	var out bytes.Buffer
	r := NewRedactor("p1ainText")
	log := slog.New(RedactLog(slog.NewJSONHandler(&out, nil), func() *Redactor { return r }))
	log.With("a", "p1ainText").WithGroup("g").Info("p1ainText", "error", errors.New("p1ainText"), "list", []string{"p1ainText"}, "bytes", []byte("p1ainText"),
		slog.Group("h", "b", "p1ainText"), "n", 7, "ok", map[string]int{"x": 1}, "value", valuer{}, "struct", struct{ A, B string }{"x", "p1ainText"})
	if text := out.String(); strings.Contains(strings.ToLower(text), "p1aintext") || strings.Count(text, "***") != 8 || !strings.Contains(text, `"n":7,"ok":{"x":1}`) {
		t.Error(text)
	}
}

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue("p1ainText") }
