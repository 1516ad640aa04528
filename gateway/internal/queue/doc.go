// Package queue holds the events that wait for one sink, in a bounded queue that orders them by key. It depends on no sink, no
// breaker and no policy of retries. Sources put events; workers take them, and complete, delay or put back what they
// took.
//
// Invariants:
//   - Every event copy is counted once, under the queue's lock, and never by subtraction. [stats.Status.Conserved] states the law.
//   - The queue is bounded in events and bytes; [Options].WhenFull says what happens to the next event.
//   - Workers see the events in the order of Put. Where events are ordered by key, an event waits for the earlier
//     events of its key that are in flight or delayed. Gaps keep their places.
//   - An event that spans keys (see [event.Event.SpansKeys]) keeps its place among the events of each of them.
//   - The queue survives a reload: the successor of a sink goes on with it.
//
// An event is in the ring, or delayed in its lane, or in flight. Files: queue.go puts, full.go makes room, ring.go
// holds events in order, take.go gives them to workers, lanes.go and joint.go order them by key, delay.go keeps
// those that failed, complete.go counts the end, reclaim.go returns events that another gateway or run brings, conflate.go is
// latest_per_key, gaps.go keeps gaps, lifecycle.go changes, closes and empties the queue.
package queue
