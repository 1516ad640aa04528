// Package delivery writes the events that wait for a sink to its plugin.
//
// A [Sink] has workers. Each takes a batch from the queue, asks the breaker for a permit, writes, and has classify
// decide what the result means for each event and for the sink: delivered, retried together with the others, delayed until
// its own next attempt, or parked as a dead letter.
//
// Invariants:
//   - A failure has one owner. A server that is not reached, or takes nothing, is the sink's failure: all writes stop,
//     one at a time probes, and no attempt of an event counts. A refusal of an event is the event's failure.
//   - An event is completed once, and its receipt is settled once.
//   - A plugin never works twice at a time: a successor starts when its predecessor has ended.
//
// The files: options.go is what a configuration may say, sink.go the life of a sink, worker.go the loop of a worker,
// classify.go decides, retry.go and breaker.go say when to write again, call.go calls the plugin, open.go connects it, ping.go asks
// an idle server, gap.go delivers gaps.
package delivery
