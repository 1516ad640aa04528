package admin

import (
	"net/http"
	"strings"

	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
)

// errorView is what the caller of a request may see of the errors of components, which may quote payloads. All answers with such errors use it.
type errorView struct {
	all   bool
	shown map[string]bool // the components whose errors quote nothing that is hidden; unknown components are not part of it
}

// errorsFor returns what the caller of a request may see of errors.
func (a *Admin) errorsFor(r *http.Request) errorView {
	if roleOf(r) == RoleAdmin {
		return errorView{all: true}
	}
	return errorView{shown: a.Router.ShownErrors()}
}

// text returns the error of a component, such as "route NAME", as the caller may see it.
func (v errorView) text(component, text string) string {
	if text == "" || v.all || v.shown[component] {
		return text
	}
	return tap.HiddenReason
}

// status hides errors in a status, which belongs to the caller.
func (v errorView) status(s *stats.Status) {
	for i := range s.Sources {
		c := &s.Sources[i]
		c.LastError = v.text("source "+c.Name, c.LastError)
	}
	for i := range s.Routes {
		c := &s.Routes[i]
		c.LastError = v.text("route "+c.Name, c.LastError)
	}
	for i := range s.Sinks {
		c := &s.Sinks[i]
		c.LastError, c.Breaker.Reason = v.text("sink "+c.Name, c.LastError), v.text("sink "+c.Name, c.Breaker.Reason)
	}
}

// failures returns the failures of a component. Those that are hidden become one.
func (v errorView) failures(component string, all []stats.Failure) []stats.Failure {
	shown := []stats.Failure{}
	for _, f := range all { // the latest first
		f.Text = v.text(component, f.Text)
		if n := len(shown); n > 0 && shown[n-1].Text == f.Text {
			last := &shown[n-1]
			last.Count += f.Count
			if f.First.Before(last.First) {
				last.First = f.First
			}
			continue
		}
		shown = append(shown, f)
	}
	return shown
}

// occurrences hides the reasons of outages in a page of the timeline, which belongs to the caller. The other kinds quote no payload.
func (v errorView) occurrences(page []stats.Occurrence) {
	for i := range page {
		o := &page[i]
		if o.Kind != stats.KindOutage || o.Level != stats.LevelProblem {
			continue
		}
		if what, why, found := strings.Cut(o.Text, ": "); found { // "down: WHY"
			o.Text = what + ": " + v.text(o.Component, why)
		}
	}
}
