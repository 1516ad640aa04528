package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAnswersAreNotSniffed: browsers take answers for nothing else than they say.
func TestAnswersAreNotSniffed(t *testing.T) {
	a := &Admin{}
	for what, h := range map[string]http.Handler{
		"JSON":   jsonHandler(func() any { return "<script>" }),
		"health": http.HandlerFunc(a.healthz),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", what, w.Header())
		}
	}
}

// TestLockedSaysHowToOpen: the hint is true with http.admin.token, and an hour after the start.
func TestLockedSaysHowToOpen(t *testing.T) {
	a := New(nil, nil, "", nil)
	w := httptest.NewRecorder()
	a.locked(w, httptest.NewRequest("GET", "/api/status", nil))
	if text := w.Body.String(); w.Code != http.StatusUnauthorized || !strings.Contains(text, "#token=SECRET") || !strings.Contains(text, "http.admin.token") {
		t.Errorf("%d: %s", w.Code, text)
	}
}
