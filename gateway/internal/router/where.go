package router

import (
	"context"
	"time"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/stats"
)

// maxFoundLetters bounds the dead letters of one event that Where returns.
const maxFoundLetters = 20

// Where returns what is known of the event with an ID: the queues where it waits, and its dead letters, as hide changes them for their reader. An event that
// was delivered, is in a write under way, or was never here is not known.
func (r *Router) Where(ctx context.Context, id string, hide func(*letters.Letter)) (w stats.Whereabouts, err error) {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	w = stats.Whereabouts{ID: id, Found: []stats.Whereabout{}}
	for _, s := range p.sinks {
		for _, f := range s.Queue().Find(id) {
			at := stats.Whereabout{Component: "sink " + s.Name, State: stats.WhereQueued, Source: f.Source, Attempts: f.Attempts}
			switch {
			case f.Blocked:
				at.State = stats.WhereBlocked
			case !f.Due.IsZero():
				at.State = stats.WhereDelayed
			}
			if !f.Due.IsZero() {
				at.Due = new(f.Due)
			}
			w.Found = append(w.Found, at)
		}
		if n := s.Queue().Counts().Writing; n > 0 {
			w.Writing = append(w.Writing, stats.InWrites{Sink: s.Name, Events: n})
		}
	}
	page, err := r.DeadLetters().Search(ctx, letters.Query{ID: id, Limit: maxFoundLetters, Hide: hide, Budget: time.Second})
	if err != nil {
		return w, err
	}
	w.More = page.Next > 0
	for i := range page.Letters {
		l := &page.Letters[i]
		w.Found = append(w.Found, stats.Whereabout{
			Component: l.Component, State: stats.WhereDeadLetter, Source: l.Source, Attempts: l.Attempts, Number: l.Number, Reason: l.Reason, AttemptID: l.AttemptID, At: &l.Time,
		})
	}
	return w, nil
}
