package app

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// canaries are the secrets of a test, by the place where each was planted. They differ, so
// that a leaked one identifies its place.
type canaries struct {
	t    testing.TB
	text map[string]string

	places   map[string]string // the result of search, for as many secrets as it had
	searched int
}

func newCanaries(t testing.TB) *canaries { return &canaries{t: t, text: map[string]string{}} }

// plant returns a new secret of letters of both cases, digits, and characters that URLs, JSON and Go
// escape.
func (c *canaries) plant(place string) string {
	return c.add(place, "k"+rand.Text()[:9]+`@/#?%"é`+strings.ToLower(rand.Text()[:9])+"+Q")
}

// plain returns a new secret of letters and digits only.
func (c *canaries) plain(place string) string {
	return c.add(place, "k"+rand.Text()[:12]+strings.ToLower(rand.Text()[:12]))
}

// number returns a new secret of digits.
func (c *canaries) number(place string) string {
	digits := make([]byte, 16)
	_, _ = rand.Read(digits)
	for i, b := range digits {
		digits[i] = '1' + b%9
	}
	return c.add(place, string(digits))
}

func (c *canaries) add(place, text string) string {
	c.text[place] = text
	return text
}

// inHex is the number of hexadecimal digits of eight characters.
const inHex = 16

// canaryForms returns the encodings of a secret to search for, independent of package options.
func canaryForms(text string) []string {
	js, _ := json.Marshal(text)
	out := []string{text, url.QueryEscape(text), url.PathEscape(text), (&url.URL{Path: text}).EscapedPath(),
		strings.Trim(fmt.Sprintf("%q", text), `"`), strings.Trim(fmt.Sprintf("%+q", text), `"`), strings.Trim(string(js), `"`)}
	for shift := range 3 {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			encoded := enc.EncodeToString([]byte("xyz"[:shift] + text + "xyz"[:(6-shift-len(text)%3)%3]))
			out = append(out, encoded[4:len(encoded)-4]) // the part that does not depend on the text around
		}
	}
	return out
}

// search returns the place of each secret by every eight characters of its forms.
func (c *canaries) search() map[string]string {
	if c.searched == len(c.text) {
		return c.places
	}
	places := map[string]string{}
	for place, secret := range c.text {
		digits := hex.EncodeToString([]byte(secret))
		for i := 0; i+inHex <= len(digits); i++ {
			places[digits[i:i+inHex]] = place
		}
		for _, form := range canaryForms(secret) {
			form = strings.ToLower(form)
			for i := 0; i+8 <= len(form); i++ {
				places[form[i:i+8]] = place
			}
		}
	}
	c.places, c.searched = places, len(c.text)
	return places
}

// find fails the test where text contains eight consecutive characters of an encoding of a secret, in
// upper or lower case.
func (c *canaries) find(where, text string) {
	c.t.Helper()
	places := c.search()
	low, told := strings.ToLower(text), map[string]bool{}
	for i := 0; i+8 <= len(low); i++ {
		for _, found := range []string{low[i : i+8], low[i:min(i+inHex, len(low))]} {
			if place := places[found]; place != "" && !told[place] {
				told[place] = true
				c.t.Errorf("%s: what was planted in %s shows: ...%.300s", where, place, low[max(i-100, 0):])
			}
		}
	}
}

// TestSearchFindsCanaries proves that the search finds each encoding of a secret.
func TestSearchFindsCanaries(t *testing.T) {
	const secret = "kAbcDefGh@/#?%\"éijklmnop+Q"
	for _, text := range []string{secret, strings.ToUpper(secret), secret[3:11], url.QueryEscape(secret), fmt.Sprintf("%q", secret), hex.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("user:" + secret)), base64.RawURLEncoding.EncodeToString([]byte("a:" + secret + "!")), "kAbcDef."} {
		seen := &failures{TB: t}
		(&canaries{t: seen, text: map[string]string{"a place": secret}}).find("a text", "an error: "+text)
		if seen.failed != (text != "kAbcDef.") {
			t.Errorf("found in %s: %v", text, seen.failed)
		}
	}
}

// failures records that a test would have failed.
type failures struct {
	testing.TB
	failed bool
}

func (f *failures) Errorf(string, ...any) { f.failed = true }
