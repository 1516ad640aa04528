package admin

import (
	"context"
	"net/http"
	"sync"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	// hintsFor is how long the findings are kept: each request of them costs connections to the servers.
	hintsFor = 30 * time.Second
	// hintTimeout bounds the probe of one source.
	hintTimeout = 5 * time.Second
	// hintsTimeout bounds all of them.
	hintsTimeout = 20 * time.Second
)

// Hint is why a source may have no events, and how to mend it.
type Hint struct {
	Source string `json:"source"`
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"` // a command, or SQL
}

// hints keeps the latest findings about the sources.
type hints struct {
	mu    sync.Mutex // held during a probe, so that there is one at a time
	found []Hint
	at    time.Time
}

// serveHints answers with a list of [Hint]: what `gateway check --live` finds wrong at the servers of the running sources, such as a missing
// trigger. Findings contain no secrets. They are kept for half a minute.
func (a *Admin) serveHints(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)) // it fails only for a broken connection
	h := &a.hints
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.found == nil || time.Since(h.at) > hintsFor {
		found := []Hint{}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), hintsTimeout) // the findings are for others, too
		defer cancel()
		for _, p := range a.Router.ProbeSources(ctx, hintTimeout) {
			for _, f := range p.Findings {
				if f.Level != plugin.OK {
					found = append(found, Hint{p.Name, f.Text, f.Fix})
				}
			}
		}
		h.found, h.at = found, time.Now()
	}
	writeJSON(w, http.StatusOK, h.found)
}
