// Package router carries events from sources through transforms to sinks.
//
// Goroutines: one per source (transforms and routing are calls inside it) and
// one per sink. Nothing else.
//
// Invariants:
//   - Conservation. Every edge counts event copies under one lock and never by
//     subtraction; [Status.Conserved] states the law and holds at any moment.
//   - Order. A sink sees the events of a source in the order of Emit.
//   - A sink's queue is bounded in events and bytes. A slow or dead sink never
//     stalls another beyond its own queue's policy.
//   - Receipts. A batch with an Ack is settled exactly once, when every copy of
//     every event in it is settled; see receipt.go.
//
// The files: router.go builds and runs, source.go supervises a source, route.go
// fans out, queue.go bounds, deliver.go writes and retries, settings.go is what
// a configuration may say, status.go and metrics.go are what it shows.
package router
