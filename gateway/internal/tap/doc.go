// Package tap shows viewers the events that go in and out of components.
//
// Invariants:
//   - While a [Point] has no viewers, it costs one atomic load per batch, in [Point.Watched].
//   - A component never waits for a [Viewer]. Events for which the viewer has no room are skipped and counted.
//   - A component only copies the fields of an event. The viewer's own goroutine hides, filters and compares payloads, within
//     a budget of time.
//   - A filter and a viewer see a payload only as its [Policy] shows it.
package tap
