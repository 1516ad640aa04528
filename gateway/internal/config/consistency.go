package config

import (
	"fmt"

	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/plugin"
)

// checkConsistency checks the options of several components together: dead letters must have
// a destination, and events of a source that replays must not be lost on the way to a sink
// whose acks the source needs.
func (g *graph) checkConsistency(graph router.Graph, top parts) {
	sinks := map[string]router.SinkSpec{}
	for _, s := range graph.Sinks {
		sinks[s.Name] = s
	}
	defined, _ := top.Sinks.(map[string]any)
	deadLetter := func(path, name string) {
		if _, ok := defined[name]; !ok && name != "" {
			g.dec.Report(path+".dead_letter", false, "%s", g.unknown("sink", name, "sinks", defined))
		}
	}
	cycles := deadLetterCycles(graph.Sinks, sinks)
	for _, s := range graph.Sinks {
		at := "sinks." + s.Name
		deadLetter(at, s.Delivery.DeadLetter)
		if s.Delivery.Workers > 1 && !s.Type.HasWith(s.Options, plugin.Concurrent) {
			g.dec.Report(at+".workers", false, "the type %s writes one batch after the other: leave workers out", s.Type.Name())
		}
		if cycle, ok := cycles[s.Name]; ok {
			g.dec.Report(at+".dead_letter", false, "dead letters go round in a cycle: %s", cycle.from(s.Name))
		}
	}
	for _, s := range graph.Sources {
		if s.Capture.Leader != "" && !s.Type.HasWith(s.Options, plugin.ElectsLeader) {
			g.dec.Report("sources."+s.Name+".leader", false, "the type %s cannot elect a leader: it is not connected to a server that can hold the leadership", s.Type.Name())
		}
	}
	for _, r := range graph.Routes {
		deadLetter("routes."+r.Name, r.DeadLetter)
	}
	g.checkElse(graph, top)
	for _, s := range graph.Sinks {
		if _, err := graph.HistoryOf(s); err != nil {
			g.dec.Report("sinks."+s.Name, true, "cannot take its history from a source: %v", err)
		}
	}
	g.checkLossless(graph, sinks)
}

// checkLossless reports sinks and transforms that can lose events of a source that replays.
func (g *graph) checkLossless(graph router.Graph, sinks map[string]router.SinkSpec) {
	sources := map[string]router.SourceSpec{}
	for _, s := range graph.Sources {
		sources[s.Name] = s
	}
	checked, scheduled := map[string]bool{}, map[string]string{}
	for _, r := range graph.Routes {
		for _, from := range r.From {
			source := sources[from]
			answers := source.Type.HasWith(source.Options, plugin.AnswersSenders)
			if !answers && !source.Type.HasWith(source.Options, plugin.Replays) {
				continue
			}
			if !answers { // else the sender gets the answer that its event was not delivered
				g.checkFailureHandling(r, from)
			}
			for i, t := range r.Through {
				if t.Type.HasWith(t.Options, plugin.Deduplicates) {
					g.dec.Report(fmt.Sprintf("routes.%s.through[%d]", r.Name, i), false, "the source %s sends again what did not arrive, and the type %s would leave that out as a repeat, and lose it: "+
						"leave %s out of this route", from, t.Type.Name(), t.Name)
				}
			}
			for _, to := range r.To {
				if answers {
					g.checkAnswersSenders(sinks, to, from, checked)
					continue
				}
				g.checkKeepsEvents(sinks, to, from, checked)
				g.checkStoresAttempts(sinks[to], sources[from], scheduled)
			}
			if r.DeadLetter != "" {
				g.checkStoresDeadLetters(sinks, r.DeadLetter, from, checked)
			}
		}
	}
}

// checkAnswersSenders checks a sink of a source that answers its senders: it must not drop events whose sender waits for an answer, and not
// delay them by a schedule.
func (g *graph) checkAnswersSenders(sinks map[string]router.SinkSpec, to, from string, checked map[string]bool) {
	s, defined := sinks[to]
	d := s.Delivery
	if d.DeadLetter != "" && !d.BestEffort {
		g.checkStoresDeadLetters(sinks, d.DeadLetter, from, checked)
	}
	switch {
	case d.BestEffort, !defined:
	case d.Queue.WhenFull != queue.WhenFullBlock:
		g.dec.Report("sinks."+s.Name+".queue.when_full", false, "%s drops events whose senders the source %s answers: write block, then senders are asked to wait, or best_effort: true in the sink if it may lose them", d.Queue.WhenFull, from)
	case len(d.Retry.Schedule) > 0:
		g.dec.Report("sinks."+s.Name+".retry.schedule", false, "a sender of the source %s cannot wait for the schedule: leave schedule out, or let a sink redis-stream store the events, and a source redis-stream bring them", from)
	}
}

// checkFailureHandling checks that an event on which a route fails does not block a source that
// replays: without a dead_letter sink or store it is returned, and redelivered without end.
func (g *graph) checkFailureHandling(r router.RouteSpec, from string) {
	if r.DeadLetter != "" || g.storesLetters {
		return
	}
	what := ""
	if !r.When.IsZero() {
		what = "when"
	}
	for _, t := range r.Through {
		if t.Failure.OnError == router.OnErrorDeadLetter {
			what = t.Name
		}
	}
	if what != "" {
		g.dec.Report("routes."+r.Name, true, "an event on which %s fails is given back to the source %s, which sends it again, without end: "+
			"%s, or name a dead_letter sink in this route, such as a file%s", what, from, g.storeHint, map[bool]string{true: "", false: "; or write on_error: drop or pass in the transform"}[what == "when"])
	}
}

// checkKeepsEvents checks that a sink loses no events of a source that replays.
func (g *graph) checkKeepsEvents(sinks map[string]router.SinkSpec, name, from string, checked map[string]bool) {
	s, ok := sinks[name]
	if !ok || checked[name] || s.Delivery.BestEffort {
		return
	}
	checked[name] = true
	d := s.Delivery
	if d.Queue.WhenFull != queue.WhenFullBlock {
		g.dec.Report("sinks."+name+".queue.when_full", false, "%s loses events, and the source %s waits until this sink has them: "+
			"write block, or best_effort: true in the sink if it may lose them", d.Queue.WhenFull, from)
	}
	if (d.Retry.Attempts > 0 || len(d.Retry.Schedule) > 0) && d.DeadLetter == "" && !g.storesLetters {
		at := "attempts"
		if d.Retry.Attempts == 0 {
			at = "schedule"
		}
		g.dec.Report("sinks."+name+".retry."+at, false, "the source %s sends again what this sink gives up, without end: "+
			"%s, or name a dead_letter sink, or leave "+at+" out, or write best_effort: true in the sink if it may lose events", from, g.storeHint)
	}
	if d.DeadLetter != "" {
		g.checkStoresDeadLetters(sinks, d.DeadLetter, from, checked)
	}
}

// checkStoresAttempts checks a sink with a schedule, whose events may wait for days: its source must store
// their attempts, or it would be blocked meanwhile. scheduled has the sink with a schedule of each
// source, which stores the attempts for one sink only.
func (g *graph) checkStoresAttempts(s router.SinkSpec, source router.SourceSpec, scheduled map[string]string) {
	if len(s.Delivery.Retry.Schedule) == 0 || s.Delivery.BestEffort {
		return
	}
	if r, ok := source.Options.(plugin.AttemptStore); !ok || !r.StoresAttempts() {
		g.dec.Report("sinks."+s.Name+".retry.schedule", false, "the source %s cannot go on while an event waits for the schedule: "+
			"let a sink redis-stream store its events, and a source redis-stream with a group of its own for this sink bring them", source.Name)
	}
	if other := scheduled[source.Name]; other != "" && other != s.Name {
		g.dec.Report("sinks."+s.Name+".retry.schedule", false, "the source %s stores attempts for one sink, and has a schedule with %s already: "+
			"give this one a source of its own, with another group of the same stream", source.Name, other)
	}
	scheduled[source.Name] = s.Name
}

// checkStoresDeadLetters checks that a sink stores the dead letters of a source that replays.
func (g *graph) checkStoresDeadLetters(sinks map[string]router.SinkSpec, name, from string, checked map[string]bool) {
	s, ok := sinks[name]
	if !ok || checked["store "+name] {
		return
	}
	checked["store "+name] = true
	switch at := "sinks." + name; {
	case !s.Type.HasWith(s.Options, plugin.Durable):
		g.dec.Report(at+".type", false, "dead letters of the source %s, which waits until they are stored, cannot go to a %s, which does not store them: use a file", from, s.Type.Name())
	case s.Delivery.BestEffort:
		g.dec.Report(at+".best_effort", false, "dead letters of the source %s come here, which waits until they are stored: leave best_effort out", from)
	}
	g.checkKeepsEvents(sinks, name, from, checked)
}
