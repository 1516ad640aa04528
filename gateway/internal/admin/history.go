package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// RecordHistory records the figures of /api/history each second, until ctx ends.
func (a *Admin) RecordHistory(ctx context.Context) {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			a.history.Record(a.Router.Sample())
		case <-ctx.Done():
			return
		}
	}
}

// serveHistory answers with a [stats.HistoryPage]: the figures after the query parameter since, or all. It answers 304 if the
// header If-None-Match has the ETag of the latest one.
func (a *Admin) serveHistory(w http.ResponseWriter, r *http.Request) {
	page := a.history.Page(r.URL.Query().Get("since"))
	tag := `"` + page.Next + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(page) // an error means that the client is gone
}
