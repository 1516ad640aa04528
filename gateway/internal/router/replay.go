package router

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
)

// replayTargets are the components to which dead letters can be sent again, by "sink NAME" and "route NAME".
type replayTargets struct {
	sinks    map[string]*edge // their counter is that of the dead letters
	routes   map[string]wired
	replaced context.Context // ends when a reload replaces the targets
	replace  context.CancelFunc
}

func newReplayTargets() *replayTargets {
	t := &replayTargets{sinks: map[string]*edge{}, routes: map[string]wired{}}
	t.replaced, t.replace = context.WithCancel(context.Background())
	return t
}

// targets returns the targets of a plan.
func (b *builder) targets(g Graph) *replayTargets {
	t := newReplayTargets()
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
// backpressure, and while the letters under way have their share of a queue. A reload does not wait for it: the letter goes to the new
// component. After an error settled is not called.
func (r *Router) Replay(ctx context.Context, l *letters.Letter, to string, settled func(error)) error {
	for {
		var sent bool
		var err error
		r.replays.Use(func(targets *replayTargets) { sent, err = r.tryReplay(ctx, targets, l, to, settled) })
		if sent || err != nil {
			return err
		}
		if err := r.replayShares.wait(ctx); err != nil {
			return err
		}
	}
}

// tryReplay sends a letter to one of the targets. It reports false where there is no room, or a reload has replaced the targets
// meanwhile: then the letter must be sent again.
func (r *Router) tryReplay(ctx context.Context, targets *replayTargets, l *letters.Letter, to string, settled func(error)) (sent bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(targets.replaced, cancel)()
	place := to
	if place == "" {
		place = l.Place
	}
	if e, ok := targets.sinks[place]; ok {
		e = &edge{e.sink, r.edges.Counter(stats.Operator, place)}
		release, ok := r.replayShares.acquire([]*edge{e})
		if !ok {
			return false, nil
		}
		a := &replayAttempt{settled: settled, release: release}
		events, rec := r.replayed(l, a)
		rec.Add(1)
		err := e.Put(ctx, events, rec) // it settles the receipt where ctx ends
		rec.Done(nil)
		return a.end(err, targets), nil
	}
	w, ok := targets.routes[place]
	if !ok {
		return false, fmt.Errorf("the configuration has no %s any more: name another place to replay to", place)
	}
	from := wholeRoute
	if to == "" {
		if from, err = w.route.failedStage(l); err != nil {
			return false, err
		}
	}
	release, ok := r.replayShares.acquire(w.to)
	if !ok {
		return false, nil
	}
	// A source that waits for room has the lock of the route: a reload must not wait for that.
	if w.route.acquire(queue.WithoutWaiting(ctx), []*event.Event{l.Event()}, w.to) != nil {
		release()
		return false, nil
	}
	a := &replayAttempt{settled: settled, release: release}
	r.edges.Counter(stats.Operator, place).Add(1)
	events, rec := r.replayed(l, a)
	err = w.route.carryLocked(ctx, from, events, nil, rec, w.to)
	rec.Done(err)
	return a.end(err, targets), nil
}

// replayed returns the event of a letter, and the receipt of its batch.
func (r *Router) replayed(l *letters.Letter, a *replayAttempt) ([]*event.Event, *ack.Receipt) {
	owner := &settle.Ack{}
	owner.Init(a, nil)
	events := []*event.Event{l.Event()}
	r.deadLetters.Replays().Emitted(1)
	return events, r.deadLetters.Replays().Begin().Receipt(event.Batch{Events: events, Ack: owner})
}

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
