// Package letters stores dead letters, letters for short: in memory ([List]), or in a folder on the disk ([Store]). [Collection] is the
// interface of both. [Replays] sends letters again.
//
// Invariants of the Store:
//   - A letter is acked only when its line was synced to the disk.
//   - A letter that cannot be written is returned to its source, if that can replay. Else it stays in memory until it can be written.
//   - Each letter is counted: stored + found = held + removed + evicted + expired.
//   - One process at a time has the folder.
//   - Nothing is read from or written to the disk under the lock that Add needs.
//
// The folder contains segments: files of lines as the sink file writes them. The name of a segment has the number of its first letter, and
// each line has the number of its letter. A file beside a segment lists the numbers of its removed letters.
package letters
