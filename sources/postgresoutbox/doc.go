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
//   - What was emitted and not settled is emitted again: the cursor is stored with its ids in the
//     gaps (package inflight). So one that no sink takes holds up no other.
//   - Gaps in which nothing can have come are not looked at: those of transactions that are open
//     in the view of the read itself (holders.go). That a lock is held says less: it is still held for
//     a moment when its transaction is over. Gaps between which all was deleted become one.
//   - One reads. Whoever connects takes a new token, and nobody else's cursor is stored
//     any more (checkpoint.go).
//   - A cursor belongs to a history. It is stored only over what this reader has stored last, in
//     the database that it was read from (history.go), and nothing is deleted that was written
//     after its id had been read (horizon.go).
//
// run.go is the loop, read.go reads, cursor.go and holders.go keep the gaps, retain.go deletes, sleep.go waits without
// asking, row.go makes events of rows, snapshot.go reads the rows that existed, captured.go watches the
// triggers, unread.go keeps changes that no reader has the table of, answer.go bounds silence.
package postgresoutbox
