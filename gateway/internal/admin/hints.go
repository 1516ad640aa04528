package admin

import (
	"context"
	"net/http"
	"sync"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	// hintsAge is how long findings are served again, because each probe opens connections to the servers.
	hintsAge = 30 * time.Second
	// hintTimeout bounds the probe of one source.
	hintTimeout = 5 * time.Second
	// hintsTimeout bounds all of them.
	hintsTimeout = 20 * time.Second
)

// Hint is a problem of a source, and how to mend it.
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
// trigger. Findings contain no secrets. They are probed at most every half minute.
func (a *Admin) serveHints(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)) // it fails only for a broken connection
	h := &a.hints
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.found == nil || time.Since(h.at) > hintsAge {
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
