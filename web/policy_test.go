package web

import (
	"net/http/httptest"
	"regexp"
	"testing"
)

// TestPolicyAllowsOneOtherGateway proves that the page may connect to its own origin only, and to the gateway that ?ws= names.
func TestPolicyAllowsOneOtherGateway(t *testing.T) {
	for query, want := range map[string]string{
		"":                                "'self'",
		"?ws=ws://other.example:8080/a?b": "'self' ws://other.example:8080",
		"?ws=WSS://other.example":         "'self' wss://other.example",
		"?ws=ws://[::1]:80/":              "'self' ws:", // a policy cannot name such an address
		"?ws=https://evil.example":        "'self' 'self'",
		"?ws=ws://a%2520b":                "'self' 'self'",
		"?ws=ws://*/":                     "'self' 'self'",
		"?ws=ws://a%3B%20script-src%20*":  "'self' 'self'",
		"?ws=live":                        "'self' 'self'",
	} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest("GET", "/"+query, nil))
		got := regexp.MustCompile(`connect-src ([^;]*);`).FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
		if len(got) != 2 || got[1] != want {
			t.Errorf("%q: %v, want %s", query, got, want)
		}
	}
}
