// Package letters keeps dead letters: in memory ([List]), or in a folder on the disk ([Store]). Both are searched and changed in the
// same way, by [Kept].
//
// Invariants of the Store:
//   - A letter is acked only when its line was synced to the disk.
//   - A letter that cannot be written is given back to its source, if that can replay, and else stays in memory until it can be.
//   - No letter is left out without a count: stored + found = held + removed + evicted + expired.
//   - One process at a time has the folder.
//   - Nothing is read from or written to the disk under the lock that Park needs.
//
// The folder has segments, files of lines as the sink file writes them. The number of the first letter is in the name of a segment,
// and the number of each letter is in its line. A file beside a segment lists the numbers of those that were removed.
package letters
