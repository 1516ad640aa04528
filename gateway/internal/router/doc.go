// Package router runs a graph: it carries events from sources through transforms to the queues of sinks, and replaces
// the graph by another while it runs.
//
// Goroutines: one per source (transforms and routing are calls inside it), one per sink and further worker, one that
// confirms each leadership. Nothing else, but that the timer of a window runs in one for as long as the window is applied.
//
// Invariants:
//   - Conservation. Every edge counts event copies, never by subtraction; [stats.Status.Conserved] states the law
//     and holds at any moment.
//   - Order. A sink gets the events of a source in the order of Emit; with several workers, or where single events
//     fail, those of each key (see package queue).
//   - A slow or dead sink never stalls another beyond its own queue's policy.
//   - A batch with an Ack is settled once, when every copy of every event in it is settled (see package ack). No code of a
//     plugin runs then (see package settle).
//   - Windows. A batch transform gets the events of a window at once (windows.go holds them). Each batch that they are of
//     is settled when everything that came of the window is. The events of a key stay in order, and a gap stands
//     behind the events before it. A successor of a route begins when the windows of its predecessor are flushed.
//   - Reload. New components are built, checked and opened before anything running is touched. A component whose
//     options are equal runs on. A successor starts when its predecessor has ended, and goes on with its queue and its
//     counts.
//
// graph.go and capture.go are what a configuration may say. build.go, diff.go and wire.go make a plan of it, reload.go installs
// the plan, and handover.go ends what it has replaced. supervise.go runs a source, source.go takes what it emits through
// output.go, gaps.go reports gaps. route.go carries events through match.go and stage.go, and through collect.go where a stage takes windows. router.go starts and stops.
//
// The parts are packages of their own: component (a plugin and its surroundings), queue, delivery (workers of a sink),
// deadletter, ack (receipts) and settle (what a source reads of them), leader, and stats (counts, health, metrics). What is left here
// is one idea, a graph that changes while it runs, so the package has a little more than 2,500 lines.
package router
