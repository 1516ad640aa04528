package router

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
)

// replayTargets are the components to which dead letters can be sent again, by "sink NAME" and "route NAME".
type replayTargets struct {
	sinks  map[string]*edge // their counter is that of the dead letters
	routes map[string]wired
}

// targets returns the targets of a plan.
func (b *builder) targets(g Graph) *replayTargets {
	t := &replayTargets{sinks: map[string]*edge{}, routes: map[string]wired{}}
	for _, s := range b.p.sinks {
		t.sinks["sink "+s.Name] = &edge{sink: s}
	}
	for i, spec := range g.Routes {
		w := wired{route: b.p.routes[i]}
		for _, name := range spec.To {
			if e := b.edgeTo("route "+spec.Name, name); e != nil {
				w.to = append(w.to, e)
			}
		}
		t.routes["route "+spec.Name] = w
	}
	return t
}

// ReplayPlaces returns the places to which letters can be sent again, sorted: "sink NAME" and "route NAME".
func (r *Router) ReplayPlaces() (places []string) {
	r.replays.Use(func(t *replayTargets) {
		places = slices.AppendSeq(slices.Collect(maps.Keys(t.sinks)), maps.Keys(t.routes))
	})
	slices.Sort(places)
	return places
}

// Replay sends a dead letter to a place, "sink NAME" or "route NAME", or if that is "" to where it has failed: to its sink, or into
// its route from the transform on that has failed. settled is called once, from any goroutine, when all required sinks have the event, or
// with the reason why one does not. It must not block. A letter that fails again does not become another letter. Replay blocks for
// backpressure. After an error settled is not called.
func (r *Router) Replay(ctx context.Context, l *letters.Letter, to string, settled func(error)) (err error) {
	r.replays.Use(func(targets *replayTargets) {
		place := to
		if place == "" {
			place = l.Place
		}
		if e, ok := targets.sinks[place]; ok {
			e = &edge{e.sink, r.edges.Counter(stats.Operator, place)}
			events, rec := r.replayed(l, settled)
			rec.Add(1)
			_ = e.Put(ctx, events, rec) // it settles the receipt where ctx ends
			rec.Done(nil)
			return
		}
		w, ok := targets.routes[place]
		if !ok {
			err = fmt.Errorf("the configuration has no %s any more: name another place to replay to", place)
			return
		}
		from := wholeRoute
		if to == "" {
			if from, err = w.route.failedStage(l); err != nil {
				return
			}
		}
		r.edges.Counter(stats.Operator, place).Add(1)
		events, rec := r.replayed(l, settled)
		rec.Done(w.route.carryFrom(ctx, from, events, nil, rec, w.to))
	})
	return err
}

// replayed returns the event of a letter, and the receipt of its batch.
func (r *Router) replayed(l *letters.Letter, settled func(error)) ([]*event.Event, *ack.Receipt) {
	a := &settle.Ack{}
	a.Init(replayOwner(settled), nil)
	events := []*event.Event{l.Event()}
	r.deadLetters.Replays().Emitted(1)
	return events, r.deadLetters.Replays().Begin().Receipt(event.Batch{Events: events, Ack: a})
}

// replayOwner gets what becomes of a replayed letter.
type replayOwner func(error)

// Settled is part of [settle.Owner].
func (f replayOwner) Settled(err error) { f(err) }

// AttemptFailed is part of [settle.Owner].
func (replayOwner) AttemptFailed(int, time.Time) {}

// wholeRoute stands for the condition of a route and all of its stages.
const wholeRoute = -1

// failedStage returns the index of the stage from which on a letter of the route goes on.
func (r *route) failedStage(l *letters.Letter) (int, error) {
	_, name, ok := strings.Cut(l.Component, ", transform ")
	if !ok {
		return wholeRoute, nil
	}
	for i, st := range r.stages {
		if st.Name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("the route %s has no transform %s any more: replay the letter through the whole route, or to a sink", r.spec.Name, name)
}

// LetterPolicy returns what viewers may see of a letter; nil: all of it. Where the component that has parked it does not hide any more what it hid then,
// or is gone, only the names of fields are shown.
func (r *Router) LetterPolicy(l *letters.Letter) *tap.Policy {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	kind, name, _ := strings.Cut(l.Place, " ")
	var policy *tap.Policy
	switch kind {
	case "sink":
		for _, s := range p.sinks {
			if s.Name == name {
				policy = s.Hide.Load()
			}
		}
	case "route":
		for _, rt := range p.routes {
			if rt.spec.Name == name {
				policy = rt.policy()
			}
		}
	}
	if !policy.Covers(l.Policy) {
		policy = tap.HideAll
	}
	return policy
}
