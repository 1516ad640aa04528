// Package admin serves what operators look at: /metrics, /healthz, /readyz, /api
// and the dashboard.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"eventgateway/gateway/internal/stats"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/web"
)

// Admin serves the state of one router.
type Admin struct {
	Router   *router.Router
	Gatherer prometheus.Gatherer
	Version  string
	Started  time.Time
	Log      *slog.Logger
	// Local says that the listener is admin's own and on a loopback address: then it
	// answers only requests for localhost, and /api needs no secret where none is set.
	Local bool
	// Demo, where it is not nil, makes a change that the dashboard then shows.
	Demo func(context.Context) error

	listening, draining atomic.Bool
	token, made         atomic.Pointer[options.Secret]
	refusals            *refusals
	reload              reload
}

// New returns the admin of a router. What its fields say may be set until it is mounted.
func New(r *router.Router, g prometheus.Gatherer, version string, log *slog.Logger) *Admin {
	return &Admin{Router: r, Gatherer: g, Version: version, Started: time.Now(), Log: log, refusals: newRefusals()}
}

// SetToken sets the configured secret that opens /api. Where it is empty, the one that was
// made counts.
func (a *Admin) SetToken(token options.Secret) { a.token.Store(&token) }

// SetMade sets the secret that opens /api where none is configured.
func (a *Admin) SetMade(made options.Secret) { a.made.Store(&made) }

// NeedsSecret reports whether /api stays closed until a secret is made.
func (a *Admin) NeedsSecret() bool { return !a.Local && a.secret().IsZero() }

// secret returns the one that counts; it is zero where there is none.
func (a *Admin) secret() secret {
	if s := a.configured(); !s.IsZero() {
		return secret{s}
	}
	if made := a.made.Load(); made != nil {
		return secret{*made}
	}
	return secret{}
}

func (a *Admin) configured() options.Secret {
	if token := a.token.Load(); token != nil {
		return *token
	}
	return options.Secret{}
}

// Urgent reports whether a path is one that operators need while there are too many
// connections.
func Urgent(path string) bool {
	switch path {
	case "/healthz", "/readyz", "/metrics":
		return true
	}
	return strings.HasPrefix(path, "/api/")
}

// Listening says that the listeners are open.
func (a *Admin) Listening() { a.listening.Store(true) }

// Draining says that the gateway is about to stop.
func (a *Admin) Draining() { a.draining.Store(true) }

// Mount mounts everything on m.
func (a *Admin) Mount(m plugin.Mounter) error {
	if a.Local {
		m = localMounter{m, a}
	}
	metrics := promhttp.HandlerFor(a.Gatherer, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	api := func(get func() any) http.Handler { return a.guard(jsonHandler(get)) }
	return errors.Join(
		m.Handle("GET /metrics", metrics),
		m.Handle("GET /healthz", http.HandlerFunc(a.healthz)),
		m.Handle("GET /readyz", http.HandlerFunc(a.readyz)),
		m.Handle("GET /api/status", api(a.status)),
		m.Handle("/api/", http.NotFoundHandler()), // else a page or a socket on / would answer
		m.Handle("POST /api/session", http.HandlerFunc(a.session)),
		m.Handle("POST /api/demo", a.guard(http.HandlerFunc(a.demo))),
		m.Handle("/", web.Handler()),
		m.Handle("GET /api/dead-letters", api(a.deadLetters)),
	)
}

// healthz says that the process lives; it never depends on anything else.
func (a *Admin) healthz(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, "ok\n")
}

// readyz says whether traffic may come: the listeners are open, every source
// was ready once, and no stop is under way. A failing sink does not matter: its
// queue is there for that.
func (a *Admin) readyz(w http.ResponseWriter, _ *http.Request) {
	err := a.Router.Ready()
	switch {
	case a.draining.Load():
		reply(w, http.StatusServiceUnavailable, "draining\n")
	case !a.listening.Load():
		reply(w, http.StatusServiceUnavailable, "not listening yet\n")
	case err != nil:
		reply(w, http.StatusServiceUnavailable, err.Error()+"\n")
	default:
		reply(w, http.StatusOK, "ready\n")
	}
}

func reply(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client is gone: nobody to tell
}

// Overview is the answer of /api/status.
type Overview struct {
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Now         time.Time `json:"now"`
	DeadLetters uint64    `json:"dead_letters"` // that came to the list of /api/dead-letters, which keeps the latest
	Demo        bool      `json:"demo"`         // whether /api/demo changes something
	// Conserved is "" while every event is accounted for, else what is not: a bug.
	Conserved string       `json:"conservation_broken,omitempty"`
	Reload    ReloadStatus `json:"reload"`
	stats.Status
}

func (a *Admin) status() any {
	_, letters := a.Router.DeadLetters()
	last, _ := a.reloadStatus()
	o := Overview{
		Version: a.Version, Started: a.Started, Now: time.Now(),
		DeadLetters: letters, Demo: a.Demo != nil, Reload: last, Status: a.Router.FullStatus(),
	}
	if err := o.Status.Conserved(); err != nil {
		o.Conserved = err.Error()
	}
	return o
}

func (a *Admin) deadLetters() any {
	latest, _ := a.Router.DeadLetters()
	return latest
}

// demo makes a change. The header keeps other sites' pages from asking for one:
// they cannot set it without leave.
func (a *Admin) demo(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.Demo == nil:
		http.Error(w, "only with the private servers", http.StatusNotFound)
	case r.Header.Get("X-Gateway-Demo") == "":
		http.Error(w, "the header X-Gateway-Demo is required", http.StatusForbidden)
	default:
		if err := a.Demo(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func jsonHandler(get func() any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		_ = enc.Encode(get()) // the client is gone: nobody to tell
	})
}
