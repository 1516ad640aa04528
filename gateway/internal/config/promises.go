package config

import (
	"fmt"

	"eventgateway/gateway/internal/queue"

	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/plugin"
)

// promises checks what the options of several components promise together: that
// dead letters arrive somewhere, and that an event of a source that replays is
// never lost on its way to a sink which it waits for.
func (g *graph) promises(graph router.Graph, top parts) {
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
	circles := deadLetterCircles(graph.Sinks, sinks)
	for _, s := range graph.Sinks {
		at := "sinks." + s.Name
		deadLetter(at, s.Delivery.DeadLetter)
		if s.Delivery.Workers > 1 && !s.Type.Has(plugin.Concurrent) {
			g.dec.Report(at+".workers", false, "the type %s writes one batch after the other: leave workers out", s.Type.Name())
		}
		if circle, ok := circles[s.Name]; ok {
			g.dec.Report(at+".dead_letter", false, "dead letters would go round in circles: %s", circle.from(s.Name))
		}
	}
	for _, s := range graph.Sources {
		if s.Capture.Leader != "" && !s.Type.Has(plugin.ElectsLeader) {
			g.dec.Report("sources."+s.Name+".leader", false, "the type %s cannot elect a leader: it is not connected to a server that could tell", s.Type.Name())
		}
	}
	for _, r := range graph.Routes {
		deadLetter("routes."+r.Name, r.DeadLetter)
	}
	g.others(graph, top)
	g.lossless(graph, sinks)
}

// lossless refuses a sink that can lose what a source could replay.
func (g *graph) lossless(graph router.Graph, sinks map[string]router.SinkSpec) {
	sources := map[string]router.SourceSpec{}
	for _, s := range graph.Sources {
		sources[s.Name] = s
	}
	told, remembers := map[string]bool{}, map[string]string{}
	for _, r := range graph.Routes {
		for _, from := range r.From {
			if !sources[from].Type.Has(plugin.Replays) {
				continue
			}
			g.mustGoOn(r, from)
			for i, t := range r.Through {
				if t.Type.Has(plugin.Deduplicates) {
					g.dec.Report(fmt.Sprintf("routes.%s.through[%d]", r.Name, i), false, "the source %s sends again what did not arrive, and the type %s would leave that out as a repeat, and lose it: "+
						"leave %s out of this route", from, t.Type.Name(), t.Name)
				}
			}
			for _, to := range r.To {
				g.mustKeep(sinks, to, from, told)
				g.mustRemember(sinks[to], sources[from], remembers)
			}
			if r.DeadLetter != "" {
				g.mustStore(sinks, r.DeadLetter, from, told)
			}
		}
	}
}

// mustGoOn checks that an event on which a route fails does not hold up a replaying
// source: without a place to store it, it is given back, and comes again.
func (g *graph) mustGoOn(r router.RouteSpec, from string) {
	if r.DeadLetter != "" {
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
			"name a dead_letter sink in this route, such as a file%s", what, from, map[bool]string{true: "", false: "; or write on_error: drop or pass in the transform"}[what == "when"])
	}
}

// mustKeep checks a sink that events of a replaying source go to.
func (g *graph) mustKeep(sinks map[string]router.SinkSpec, name, from string, told map[string]bool) {
	s, ok := sinks[name]
	if !ok || told[name] || s.Delivery.BestEffort {
		return
	}
	told[name] = true
	d := s.Delivery
	if d.Queue.WhenFull != queue.WhenFullBlock {
		g.dec.Report("sinks."+name+".queue.when_full", false, "%s loses events, and the source %s waits until this sink has them: "+
			"write block, or best_effort: true in the sink if it may lose them", d.Queue.WhenFull, from)
	}
	if (d.Retry.Attempts > 0 || len(d.Retry.Schedule) > 0) && d.DeadLetter == "" {
		at := "attempts"
		if d.Retry.Attempts == 0 {
			at = "schedule"
		}
		g.dec.Report("sinks."+name+".retry."+at, false, "the source %s sends again what this sink gives up, without end: "+
			"name a dead_letter sink, or leave "+at+" out, or write best_effort: true in the sink if it may lose events", from)
	}
	if d.DeadLetter != "" {
		g.mustStore(sinks, d.DeadLetter, from, told)
	}
}

// mustRemember checks a sink whose events may wait for days: a source that goes on behind
// what is delivered would stand still meanwhile, and begin there after a restart.
// remembers has the sink for which each source does that: it is one number of attempts.
func (g *graph) mustRemember(s router.SinkSpec, source router.SourceSpec, remembers map[string]string) {
	if len(s.Delivery.Retry.Schedule) == 0 || s.Delivery.BestEffort {
		return
	}
	if r, ok := source.Options.(plugin.AttemptStore); !ok || !r.StoresAttempts() {
		g.dec.Report("sinks."+s.Name+".retry.schedule", false, "the source %s cannot go on while an event waits for the schedule: "+
			"let a sink redis-stream store its events, and a source redis-stream with a group of its own for this sink bring them", source.Name)
	}
	if other := remembers[source.Name]; other != "" && other != s.Name {
		g.dec.Report("sinks."+s.Name+".retry.schedule", false, "the source %s remembers attempts for one sink, and has a schedule with %s already: "+
			"give this one a source of its own, with another group of the same stream", source.Name, other)
	}
	remembers[source.Name] = s.Name
}

// mustStore checks a sink that gets the dead letters of a replaying source.
func (g *graph) mustStore(sinks map[string]router.SinkSpec, name, from string, told map[string]bool) {
	s, ok := sinks[name]
	if !ok || told["store "+name] {
		return
	}
	told["store "+name] = true
	switch at := "sinks." + name; {
	case !s.Type.Has(plugin.Durable):
		g.dec.Report(at+".type", false, "dead letters of the source %s, which waits until they are stored, cannot go to a %s, which does not store them: use a file", from, s.Type.Name())
	case s.Delivery.BestEffort:
		g.dec.Report(at+".best_effort", false, "dead letters of the source %s come here, which waits until they are stored: leave best_effort out", from)
	}
	g.mustKeep(sinks, name, from, told)
}
