package admin

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"eventgateway/gateway/internal/letters"
)

// TestReplayErrorStatus proves that a replay that does not exist is answered with 404, and a replay that cannot begin yet with 503. Neither is
// an error of the gateway, which 500 would report.
func TestReplayErrorStatus(t *testing.T) {
	a := &Admin{Replays: letters.NewReplays(&letters.List{}, nil)} // Run is not called: the gateway is starting
	unknown := httptest.NewRequest(http.MethodGet, "/api/dead-letters/replays/7", nil)
	unknown.SetPathValue("id", "7")
	_, notRunning := a.Replays.Start(letters.ReplayRequest{})
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"show":   {a.showReplay(httptest.NewRecorder(), unknown), http.StatusNotFound},
		"cancel": {a.cancelReplay(httptest.NewRecorder(), unknown), http.StatusNotFound},
		"start":  {notRunning, http.StatusServiceUnavailable},
	} {
		w := httptest.NewRecorder()
		if letterError(w, tc.err); w.Code != tc.want {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, tc.want, w.Body)
		}
	}
}
