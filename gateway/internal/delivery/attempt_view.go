package delivery

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/plugin"
)

// AttemptList is the answer of /api/components/sink/NAME/attempts.
type AttemptList struct {
	Sink     string        `json:"sink"`
	Now      time.Time     `json:"now"`
	Attempts []AttemptView `json:"attempts"` // the latest first; without Request, Answer and the payload of Event
}

// AttemptView is an attempt as operators see it.
type AttemptView struct {
	ID       string     `json:"id"`
	Time     time.Time  `json:"time"`
	Millis   float64    `json:"milliseconds"`
	Target   string     `json:"target,omitempty"` // the method and the URL; "" if nothing was sent
	Status   int        `json:"status"`           // of the answer; 0: there was none
	Number   int        `json:"attempt"`          // from 1 on
	Outcome  string     `json:"outcome"`          // delivered, failed or given_up
	Error    string     `json:"error,omitempty"`
	Next     *time.Time `json:"next,omitempty"` // when the next attempt is due
	Count    int        `json:"count"`          // of the events
	Event    tap.View   `json:"event"`          // the first of the events
	Sendable bool       `json:"sendable"`       // the events can be sent again

	Request *MessageView `json:"request,omitempty"`
	Answer  *MessageView `json:"answer,omitempty"`
}

// MessageView is a request or an answer as operators see it.
type MessageView struct {
	Header []HeaderView `json:"header"`
	// Body is the beginning of the body, or all of it. It is text, or base64 where Encoding says so.
	Body      string `json:"body"`
	Encoding  string `json:"encoding,omitempty"`
	Bytes     int    `json:"bytes"` // of the whole body; -1: not known
	Truncated bool   `json:"truncated,omitempty"`
	Hidden    string `json:"hidden,omitempty"` // why nothing of it is shown
}

// HeaderView is one header.
type HeaderView struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ReportsAttempts reports whether the sink stores its latest attempts.
func (s *Sink) ReportsAttempts() bool { return s.Type.HasWith(s.PluginOptions, plugin.ReportsAttempts) }

// Lists returns the lists that the sink has: attempts, clients.
func (s *Sink) Lists() (lists []string) {
	if s.ReportsAttempts() {
		lists = append(lists, "attempts")
	}
	if s.clientSink() != nil {
		lists = append(lists, "clients")
	}
	return lists
}

// Attempts returns the latest attempts, without requests, answers and payloads.
func (s *Sink) Attempts() AttemptList {
	out := AttemptList{Sink: s.Name, Now: time.Now(), Attempts: []AttemptView{}}
	for _, a := range s.attempts.latest() {
		out.Attempts = append(out.Attempts, s.viewAttempt(a, false))
	}
	return out
}

// Attempt returns the attempt with an ID, with request, answer and payload. found is false if the sink does not have it, or not any more.
func (s *Sink) Attempt(id string) (v AttemptView, found bool) {
	a := s.attempts.find(id)
	if a == nil {
		return v, false
	}
	return s.viewAttempt(a, true), true
}

// viewAttempt returns an attempt as operators see it. It hides what the routes of a sink for dead letters hide. Then it shows no
// request, answer or error, because these may repeat it. Without whole, the view is for a list: it has no payloads.
func (s *Sink) viewAttempt(a *attempt, whole bool) AttemptView {
	hide := s.Hide.Load()
	v := AttemptView{
		ID: a.ID, Time: a.Began, Millis: float64(a.Took.Microseconds()) / 1000, Status: a.Status, Number: a.number, Outcome: a.outcome,
		Count: a.count, Sendable: a.events != nil,
	}
	if whole {
		v.Event = hide.Show(a.first)
	} else {
		v.Event = hide.Show(a.first.WithData(nil))
		v.Event.Hidden, v.Event.Bytes, v.Event.Attrs = "", len(a.first.Data), nil
	}
	if a.err != nil {
		v.Error = s.Redactor.Text(a.err.Error())
		if hide != nil {
			v.Error = tap.HiddenReason
		}
	}
	if !a.next.IsZero() {
		v.Next = &a.next
	}
	if a.events == nil {
		v.Event.Hidden = "the events of this attempt were too large to be stored"
	}
	if a.Exchange == nil {
		return v
	}
	var d plugin.AttemptDescription
	if s.Protect(func() error { d = a.Exchange.Describe(); return nil }) != nil {
		return v
	}
	switch {
	case hide == nil:
		v.Target = s.Redactor.Text(d.Target)
		if whole {
			v.Request, v.Answer = s.viewMessage(d.Request), s.viewMessage(d.Answer)
		}
	case whole:
		hidden := MessageView{Header: []HeaderView{}, Hidden: tap.HiddenReason}
		v.Request, v.Answer = &hidden, &hidden
	}
	return v
}

// Bounds of the headers that are shown.
const (
	maxHeaders     = 100
	maxHeaderValue = 2 << 10 // bytes
)

// secretHeader matches the names of headers whose values are never shown.
var secretHeader = regexp.MustCompile(`(?i)authori[sz]ation|cookie|signature|token|secret|password|api-?key|^x-.*-key$|authenticate`)

// viewMessage returns a message as operators see it.
func (s *Sink) viewMessage(m plugin.AttemptMessage) *MessageView {
	v := &MessageView{Header: viewHeader(m.Header, s.Redactor.Text), Bytes: m.Bytes}
	v.Body, v.Encoding, v.Truncated = tap.Text([]byte(s.Redactor.Text(string(m.Body))))
	v.Truncated = v.Truncated || m.Bytes > len(m.Body) || m.Bytes < 0
	return v
}

// viewHeader returns headers by their names.
func viewHeader(h http.Header, redact func(string) string) []HeaderView {
	out := []HeaderView{}
	for name, values := range h {
		for _, value := range values {
			switch {
			case secretHeader.MatchString(name):
				value = "***"
			case len(value) > maxHeaderValue:
				value = value[:maxHeaderValue] + "..."
			}
			out = append(out, HeaderView{strings.ToValidUTF8(redact(name), "\uFFFD"), strings.ToValidUTF8(redact(value), "\uFFFD")})
		}
	}
	slices.SortStableFunc(out, func(a, b HeaderView) int { return strings.Compare(a.Name, b.Name) })
	return out[:min(len(out), maxHeaders)]
}
