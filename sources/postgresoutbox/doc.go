// Package postgresoutbox is the source postgres-outbox: changes of rows, which triggers
// have written into the table gateway.outbox in the transactions that made them.
//
// Ids are drawn in one order and become visible in another: a transaction that is
// open for long holds back ids below those that have committed. So the cursor is not one
// number, but hi and the set of gaps below it, ids that were not there when hi passed
// them. Invariants:
//   - Nothing is lost. An id leaves the gaps when its row was read, or when nobody who
//     could still bring it is left (read.go): whoever draws an id holds a lock on the
//     sequence until what he did is visible.
//   - A row's changes keep their order: its next change draws its id after the one
//     before has committed, because of the row's lock. Each read takes what lies in the
//     gaps first, and all of it before anything above hi.
//   - What was emitted and not acked is emitted again: the cursor is stored as it was
//     with the last batch before which every batch is acked (package inflight).
//   - One reads. Whoever connects takes a new token, and nobody else's cursor is stored
//     any more (checkpoint.go).
//   - A cursor belongs to a history. It is stored only over what this reader has stored last, in
//     the database that it was read from (history.go), and nothing is deleted that was written
//     after its id had been read (horizon.go).
//
// run.go is the loop, read.go reads, cursor.go keeps the gaps, retain.go deletes, sleep.go waits without
// asking, row.go makes events of rows, snapshot.go reads the rows that existed, captured.go watches the
// triggers, unread.go keeps changes that no reader has the table of, answer.go bounds silence.
package postgresoutbox
