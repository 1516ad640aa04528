package stats

import (
	"slices"
	"strings"
	"time"
)

// GatewayHealth is the health of the whole gateway.
type GatewayHealth struct {
	State   string   `json:"state"`   // one of the states below
	Reasons []Reason `json:"reasons"` // why the state is not ok; empty while it is ok
}

// The states of a gateway.
const (
	HealthOK       = "ok"
	HealthDegraded = "degraded" // something is wrong, and a route has a source and a sink that are up
	HealthDown     = "down"     // no route has a source and a sink that are up
)

// HealthStates lists the states, the best first.
var HealthStates = []string{HealthOK, HealthDegraded, HealthDown}

// Reason is one thing that is wrong.
type Reason struct {
	Component string    `json:"component"` // "source orders_db", "gateway", or "configuration"
	Since     time.Time `json:"since"`     // when it began, as far as is known
	Text      string    `json:"text"`
}

// Assess returns the health of a gateway with a status and a start time. Its reasons are those that the caller knows, and
// then those of the components.
func Assess(s Status, started time.Time, known ...Reason) GatewayHealth {
	h := GatewayHealth{State: HealthOK, Reasons: append([]Reason{}, known...)}
	if err := s.Conserved(); err != nil {
		h.Reasons = append(h.Reasons, Reason{"gateway", time.Now(), "conservation law violated, this is a bug in the gateway: " + err.Error()})
	}
	var down, failing []Reason
	add := func(component string, up bool, since time.Time, texts []string) {
		if len(texts) == 0 {
			return
		}
		if since.IsZero() {
			since = started
		}
		r := Reason{component, since, strings.Join(texts, ", ")}
		if up {
			failing = append(failing, r)
		} else {
			down = append(down, r)
		}
	}
	upSources, upSinks := map[string]bool{}, map[string]bool{}
	for _, c := range s.Sources {
		upSources[c.Name] = c.Up
		since, texts := c.reason()
		add("source "+c.Name, c.Up, since, texts)
	}
	for _, c := range s.Sinks {
		upSinks[c.Name] = c.Up
		since, texts := c.reason()
		add("sink "+c.Name, c.Up, since, texts)
	}
	passes := false
	for _, c := range s.Routes {
		passes = passes || anyOf(c.From, upSources) && anyOf(c.To, upSinks)
		since, texts := Health{Up: true, Failing: c.Failing, FailingSince: c.FailingSince, LastError: c.LastError, LastErrorAt: c.LastErrorAt}.reason()
		add("route "+c.Name, true, since, texts)
	}
	h.Reasons = append(append(h.Reasons, down...), failing...)
	switch {
	case len(s.Routes) == 0:
		h.State, h.Reasons = HealthDown, append(h.Reasons, Reason{"gateway", started, "nothing runs yet"})
	case !passes:
		h.State = HealthDown
	case len(h.Reasons) > 0:
		h.State = HealthDegraded
	}
	return h
}

func anyOf(names []string, up map[string]bool) bool {
	return slices.ContainsFunc(names, func(name string) bool { return up[name] })
}

// reason returns what is wrong with a component, and since when; no text where it works.
func (h Health) reason() (since time.Time, texts []string) {
	switch {
	case h.Up && !h.Failing:
		return since, nil
	case !h.Up && h.Since.IsZero():
		texts = []string{"not connected yet"}
	case !h.Up:
		since, texts = h.Since, []string{"down"}
	case h.FailingSince != nil:
		since, texts = *h.FailingSince, []string{"failing"}
	case h.LastErrorAt != nil:
		since, texts = *h.LastErrorAt, []string{"failing"}
	default:
		texts = []string{"failing"}
	}
	if h.LastError != "" && (h.Failing || !h.Up) {
		texts[0] += ": " + h.LastError
	}
	return since, texts
}

func (s SourceStatus) reason() (since time.Time, texts []string) {
	h := s.Health
	h.Failing = h.Failing && (s.Stalled == nil || h.FailingSince != nil) // a stall alone also sets Failing
	since, texts = h.reason()
	if s.Leader != nil && s.Leader.State == NotLeading && len(texts) > 0 {
		texts = append(texts, "not connected, no leader")
	}
	if s.Leader != nil && s.Leader.Holder != "" {
		texts = append(texts, "the lock is held by "+s.Leader.Holder+", which cannot lead")
		if since.IsZero() {
			since = s.Since
		}
	}
	if s.Stalled != nil {
		texts = append(texts, "stalled: "+s.Stalled.Reason)
		if since.IsZero() {
			since = s.Stalled.Since
		}
	}
	return since, texts
}

// breakerTexts are the texts of the states of a circuit breaker.
var breakerTexts = map[string]string{BreakerOpen: "breaker open", BreakerHalfOpen: "breaker half open", BreakerDisabled: "disabled by its receiver"}

func (s SinkStatus) reason() (since time.Time, texts []string) {
	since, texts = s.Health.reason()
	if text := breakerTexts[s.Breaker.State]; text != "" {
		texts = append(texts, text)
	}
	return since, texts
}
