package admin

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventgateway/gateway/internal/router"
)

// TestAnswersSetNosniff proves that browsers do not guess the type of an answer.
func TestAnswersSetNosniff(t *testing.T) {
	a := &Admin{Router: router.New(slog.New(slog.DiscardHandler))}
	for what, h := range map[string]http.Handler{
		"JSON":   jsonHandler(func(*http.Request) any { return "<script>" }),
		"health": http.HandlerFunc(a.healthz),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", what, w.Header())
		}
	}
}

// TestUnauthorizedNamesTokenSources proves that the hint holds with http.admin.token, and after the link has expired.
func TestUnauthorizedNamesTokenSources(t *testing.T) {
	a := New(router.New(slog.New(slog.DiscardHandler)), nil, "", nil)
	w := httptest.NewRecorder()
	a.unauthorized(w, httptest.NewRequest("GET", "/api/status", nil), false)
	if text := w.Body.String(); w.Code != http.StatusUnauthorized || !strings.Contains(text, "#token=SECRET") || !strings.Contains(text, "http.admin.token") {
		t.Errorf("%d: %s", w.Code, text)
	}
}
