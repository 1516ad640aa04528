// Package admin serves the pages of operators: /metrics, /healthz, /readyz, /api
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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/internal/stats"
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
	// Local is set where Admin has a listener of its own on a loopback address. It then
	// answers only requests for localhost, and /api needs no secret where no access is configured.
	Local bool
	// Separate is set where Admin has a listener of its own. It then serves profiles, if these are enabled.
	Separate bool
	// Demo shows the gateway at work on embedded servers; nil: /api/demo answers 404.
	Demo *Demo
	// Reload loads the configuration again, as SIGHUP does. It returns an error where none is loaded, because
	// the gateway stops or ctx ends; nil: /api/reload answers 404.
	Reload func(ctx context.Context) (ReloadStatus, error)

	// Replays sends dead letters again, and DryRun shows what would become of one. Both must be set.
	Replays *letters.Replays
	DryRun  DryRun

	// LogLevels changes the levels of the log; nil: /api/log-level answers 404.
	LogLevels LogLevels

	listening    atomic.Bool
	draining     atomic.Pointer[time.Time] // since when the gateway is about to stop; nil: it is not
	access       atomic.Pointer[Access]
	generated    atomic.Pointer[options.Secret]
	passwords    *passwords
	refused      *refusedRequests
	reload       reload
	certificates certificates
	liveness     liveness
	history      *stats.History
	hints        hints
	descriptions atomic.Pointer[Descriptions] // nil before SetDescriptions
}

// New returns the Admin of a router. Its fields may be set until Mount is called.
func New(r *router.Router, g prometheus.Gatherer, version string, log *slog.Logger) *Admin {
	a := &Admin{Router: r, Gatherer: g, Version: version, Started: time.Now(), Log: log, refused: newRefusedRequests(), passwords: newPasswords(), history: stats.NewHistory()}
	a.SetAccess(Access{})
	r.Timeline().Add("gateway", stats.KindGateway, stats.LevelInfo, "starts, version "+version)
	return a
}

// SetGenerated sets the secret of /api where none is configured.
func (a *Admin) SetGenerated(s options.Secret) { a.generated.Store(&s) }

// NeedsSecret reports whether a secret must be generated: to open /api, or to sign the cookies of users.
func (a *Admin) NeedsSecret() bool { return a.secret().IsZero() && !a.open() }

// secret returns the configured secret, else the generated one, else zero.
func (a *Admin) secret() secret {
	if s := a.access.Load().Token; !s.IsZero() {
		return secret{s}
	}
	if generated := a.generated.Load(); generated != nil {
		return secret{*generated}
	}
	return secret{}
}

// Urgent reports whether operators need a path also while there are too many connections.
func Urgent(path string) bool {
	switch path {
	case "/healthz", "/readyz", "/metrics":
		return true
	}
	return strings.HasPrefix(path, "/api/")
}

// SetListening marks the listeners as open.
func (a *Admin) SetListening() { a.listening.Store(true) }

// SetDraining marks the gateway as about to stop.
func (a *Admin) SetDraining() {
	a.draining.Store(new(time.Now()))
	a.Router.Timeline().Add("gateway", stats.KindGateway, stats.LevelProblem, "stops")
}

// Mount mounts all handlers on m.
func (a *Admin) Mount(m plugin.Mounter) error {
	if a.Local {
		m = localMounter{m, a}
	}
	metrics := promhttp.HandlerFor(a.Gatherer, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true})
	api := func(get func(*http.Request) any) http.Handler { return a.guard(RoleRead, jsonHandler(get)) }
	return errors.Join(
		m.Handle("GET /metrics", metrics),
		m.Handle("GET /healthz", http.HandlerFunc(a.healthz)),
		m.Handle("GET /readyz", http.HandlerFunc(a.readyz)),
		m.Handle("GET /api/status", api(a.status)),
		m.Handle("/api/", http.NotFoundHandler()), // else a page or a socket on / would answer
		m.Handle("POST /api/session", http.HandlerFunc(a.session)),
		m.Handle("GET /api/session", http.HandlerFunc(a.login)),
		m.Handle("POST /api/reload", a.guard(RoleAdmin, http.HandlerFunc(a.serveReload))),
		m.Handle("GET /api/log-level", a.guard(RoleRead, a.ofLogLevels(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, a.LogLevels.Levels()) }))),
		m.Handle("POST /api/log-level", a.guard(RoleAdmin, a.ofLogLevels(a.setLogLevel))),
		m.Handle("POST /api/demo", a.guard(RoleAdmin, http.HandlerFunc(a.demo))),
		m.Handle("GET /api/hints", a.guard(RoleRead, http.HandlerFunc(a.serveHints))),
		m.Handle("/", web.Handler()),
		a.mountLetters(m),
		m.Handle("GET /api/history", a.guard(RoleRead, http.HandlerFunc(a.serveHistory))),
		m.Handle("GET /api/components/{kind}/{name}", a.guard(RoleRead, http.HandlerFunc(a.serveComponent))),
		m.Handle("GET /api/timeline", a.guard(RoleRead, http.HandlerFunc(a.serveTimeline))),
		m.Handle("GET /api/components/sink/{name}/clients", a.guard(RoleRead, a.sinkHandler("clients", a.serveClients))),
		m.Handle("POST /api/components/sink/{name}/clients/{client}/disconnect", a.guard(RoleAdmin, a.sinkHandler("clients", a.disconnect))),
		m.Handle("GET /api/components/sink/{name}/attempts", a.guard(RoleRead, a.sinkHandler("attempts", a.serveAttempts))),
		m.Handle("GET /api/components/sink/{name}/attempts/{attempt}", a.guard(RoleRead, a.sinkHandler("attempts", a.serveAttempt))),
		m.Handle("POST /api/components/sink/{name}/attempts/{attempt}/send-again", a.guard(RoleAdmin, a.sinkHandler("attempts", a.sendAgain))),
		m.Handle("GET /api/tap", a.guard(RoleRead, http.HandlerFunc(a.serveTap))),
		a.mountProfiles(m),
	)
}

// healthz answers 200 as long as the process serves requests, and its router is not frozen.
func (a *Admin) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), liveLimit)
	defer cancel()
	if _, err := a.Health(ctx); err != nil {
		reply(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	reply(w, http.StatusOK, "ok\n")
}

// readyz answers 200 while traffic may come: the listeners are open, every source
// was ready once, and no stop is under way. A failing sink does not matter, since its
// queue takes the events.
func (a *Admin) readyz(w http.ResponseWriter, _ *http.Request) {
	err := a.Router.Ready()
	switch {
	case a.draining.Load() != nil:
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
	_, _ = w.Write([]byte(text)) // an error means that the client is gone
}

// Overview is the answer of /api/status.
type Overview struct {
	Role        string    `json:"role"` // of the caller: "read" or "admin"
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Now         time.Time `json:"now"`
	DeadLetters uint64    `json:"dead_letters"` // all that were put into the list of /api/dead-letters since the start, where some of them may be no more
	Demo        bool      `json:"demo"`         // /api/demo changes an order
	// DemoState says what else /api/demo does; absent without embedded servers.
	DemoState *DemoState `json:"demo_state,omitempty"`
	// PathsHere is set if the paths of the sinks are on the listener of this answer.
	PathsHere bool `json:"paths_here"`
	// Conserved is "" while every event is accounted for, else the equation that does not hold: a bug.
	Conserved string              `json:"conservation_broken,omitempty"`
	Reload    ReloadStatus        `json:"reload"`
	Health    stats.GatewayHealth `json:"health"`
	// Certificates has the listeners with TLS.
	Certificates []CertificateStatus `json:"certificates,omitempty"`
	// Timeline is next of /api/timeline: it changes when something has happened.
	Timeline string `json:"timeline"`
	stats.Status
}

func (a *Admin) status(r *http.Request) any {
	kept := a.Router.DeadLetters().Status()
	last, _ := a.reloadStatus()
	o := Overview{
		Role: roleOf(r).String(), Version: a.Version, Started: a.Started, Now: time.Now(),
		DeadLetters: kept.In - kept.Returned, Demo: a.Demo != nil && a.Demo.Change != nil, DemoState: a.Demo.state(roleOf(r)), PathsHere: !a.Separate, Reload: last, Timeline: a.Router.Timeline().Next(), Certificates: a.certificates.all(), Status: a.Router.FullStatus(),
	}
	if err := o.Status.Conserved(); err != nil {
		o.Conserved = err.Error()
	}
	a.errorsFor(r).status(&o.Status)
	o.Health = a.health(o.Status)
	return o
}

func jsonHandler(get func(*http.Request) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, get(r)) })
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // an error means that the client is gone
}
