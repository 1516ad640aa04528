// Package router carries events from sources through transforms to sinks.
//
// Goroutines: one per source (transforms and routing are calls inside it), one
// per sink and further worker, one that confirms each leadership. Nothing else.
//
// Invariants:
//   - Conservation. Every edge counts event copies under one lock and never by
//     subtraction; [Status.Conserved] states the law and holds at any moment.
//   - Order. A sink sees the events of a source in the order of Emit; with several
//     workers, or where single events fail, those of each key. An event that joins keys
//     keeps its place among the events of each of them, a barrier among all of its table.
//     With ordering none there is no order among events that fail.
//   - A sink's queue is bounded in events and bytes. A slow or dead sink never
//     stalls another beyond its own queue's policy.
//   - Receipts. A batch with an Ack is settled exactly once, when every copy of
//     every event in it is settled.
//   - Reload. What is new is built, checked and opened before anything old is
//     touched. A component whose options are equal runs on. A successor begins
//     when its predecessor has ended, and takes over what waits and the counts.
//
// The files, in the order of an event's way: graph.go and settings.go are what a
// configuration may say; build.go, wire.go and reuse.go make a plan of it, of components
// (component.go) that are new or run already. source.go takes what a source emits,
// supervise.go runs the source again, and leader.go only where it leads. route.go
// transforms and fans out what choose.go lets it take. sink.go runs the workers, queue.go
// bounds what waits (ring.go holds it, conflate.go is latest_per_key, gaps.go keeps the gaps
// in their places), take.go gives it to workers, lines.go has it wait for its key, joint.go for several, and
// aside.go for its next attempt, settle.go counts the end, giveback.go gives back what others
// bring now. worker.go delivers where breaker.go lets it,
// verdict.go decides what a failure means, retry.go when to try again, letters.go parks,
// receipt.go tells the source. router.go starts and
// stops; reload.go replaces, with cell.go, succeed.go and retire.go. edges.go,
// status.go, conservation.go, health.go and metrics.go are what is shown.
package router
