package admin

import (
	"fmt"
	"net/http"
	"time"

	"eventgateway/gateway/internal/stats"
)

// Descriptions describes the components of the running configuration, without secrets.
type Descriptions interface {
	// Describe returns the value of config in a [ComponentPage]. found is false if there is no component with the name.
	Describe(kind, name string) (description any, found bool)
}

// SetDescriptions replaces the descriptions of components.
func (a *Admin) SetDescriptions(d Descriptions) { a.descriptions.Store(&d) }

// ComponentPage is the answer of /api/components/{kind}/{name}.
type ComponentPage struct {
	Kind string    `json:"kind"` // source, transform, sink or route
	Name string    `json:"name"`
	Now  time.Time `json:"now"`
	// Config is the component as it is configured.
	Config any `json:"config"`
	// Health is absent for a transform. Its failures are those of its routes.
	Health *stats.Health `json:"health,omitempty"`
	// Failures are the latest failures with different texts, the latest first.
	Failures []stats.Failure `json:"failures"`
	// Latency is that of a sink.
	Latency *stats.RecentLatency `json:"latency,omitempty"`
	// Routes are those that use a transform.
	Routes []string `json:"routes,omitempty"`
	// Lists are what the paths below this one list: attempts, clients.
	Lists []string `json:"lists"`
}

// serveComponent answers with a [ComponentPage].
func (a *Admin) serveComponent(w http.ResponseWriter, r *http.Request) {
	p := ComponentPage{Kind: r.PathValue("kind"), Name: r.PathValue("name"), Now: time.Now(), Lists: []string{}}
	in, runs := a.Router.Inspect(p.Kind, p.Name)
	d := a.descriptions.Load()
	if !runs || d == nil {
		unknownComponent(w, p.Kind, p.Name)
		return
	}
	var found bool
	if p.Config, found = (*d).Describe(p.Kind, p.Name); !found { // a reload is under way
		unknownComponent(w, p.Kind, p.Name)
		return
	}
	p.Health, p.Routes = in.Health, in.Routes
	if in.Sink != nil {
		p.Lists = append(p.Lists, in.Sink.Lists()...)
	}
	errs, component := a.errorsFor(r), p.Kind+" "+p.Name
	p.Failures = errs.failures(component, in.Failures)
	if p.Health != nil {
		p.Health.LastError = errs.text(component, p.Health.LastError)
	}
	if l, known := a.history.RecentLatency(p.Name); known && in.Sink != nil {
		p.Latency = &l
	}
	writeJSON(w, http.StatusOK, p)
}

func unknownComponent(w http.ResponseWriter, kind, name string) {
	http.Error(w, fmt.Sprintf("no %.20q %.80q runs: /api/status lists the components", kind, name), http.StatusNotFound)
}
