// Package postgresoutbox is the source postgres-outbox. It reads changes of rows that triggers
// have written into the table gateway.outbox, in the transactions that made the changes.
//
// Transactions draw ids in one order and commit in another: when a change becomes visible, lower ids
// may still be invisible. So the cursor is not one number. It is high, the highest id that was read,
// and the pending ids below it, which were not visible when they were passed. Column and metric
// call pending ids gaps. Invariants:
//   - Nothing is lost. An id is pending until its row was read, or until no transaction can
//     commit it any more (read.go). A transaction that draws an id holds a lock on the sequence
//     until its changes are visible.
//   - The changes of a row keep their order. Because of the row's lock, its next change draws its id
//     after the one before has committed. Each read returns all pending changes that are visible
//     before any change above high.
//   - Changes that were emitted and not settled are emitted again: the stored cursor has their ids as
//     pending (package inflight). So an undelivered change delays no other row.
//   - A read skips pending ranges in which nothing can have committed: all their transactions are
//     open in the snapshot of the read itself (holders.go). The lock alone is no proof, because it is
//     held for a moment after the commit. Ranges between which all was deleted are merged.
//   - One gateway reads. A reader takes a new token at its start, after which no other reader can
//     store a cursor (checkpoint.go).
//   - A cursor belongs to a history. A reader overwrites only the cursor that it has stored last, in
//     the database that it was read from (history.go). It deletes no change that it, or another reader, has
//     not read because its id was used before (reuse.go). Cursors that are not valid are reset together (restart.go).
//   - Writers detach a reader that is beyond its bound. A reader sees in each read whether it was detached
//     before it could miss a change (bound.go).
//
// run.go is the loop, read.go and read_query.go read, cursor.go and holders.go track pending ids, delete.go deletes delivered
// changes, sequence.go handles changes above a sequence that was set back, and sleep.go waits for a notification. row.go and key.go make events, snapshot.go reads rows that
// exist already, capture.go watches the triggers, unclaimed.go handles tables that no reader has, and
// timeout.go detects a silent connection. command.go, backfill.go and backfill_send.go are gateway outbox.
//
// The package has over 4,000 lines: reading, cursors, snapshots and histories are one protocol on one table, and no part of it is of
// use alone.
package postgresoutbox
