// Package tap shows what goes in and out of components while somebody looks.
//
// Invariants:
//   - While no one looks at a [Point], it costs one atomic load per batch, in [Point.Watched].
//   - A component never waits for a [Viewer]. What the viewer has no room for is skipped and counted.
//   - A component only copies the fields of an event. The viewer's own goroutine hides, filters and compares payloads, within
//     a budget of time.
//   - A filter and a viewer see a payload only as its [Policy] shows it.
package tap
