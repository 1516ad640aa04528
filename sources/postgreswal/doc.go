// Package postgreswal is the source postgres-wal. It reads changes of rows from PostgreSQL's write-ahead log (WAL), by a
// logical replication slot and its plugin pgoutput.
//
// Invariants:
//   - Changes are emitted in the order of commits. A position is the LSN of a commit record and the number of a change in its
//     transaction. The stored position is the one up to which every change is acked (package inflight).
//   - What is spooled counts as delivered for the slot, and only for it. Where the spool ends is stored before the slot is confirmed, too.
//   - The position is stored in the table gateway.wal_reader before the slot is confirmed. So the server always has what is
//     not stored as delivered, and a slot that is ahead of the stored position was moved by another program: a gap.
//   - A position belongs to a history. A reader overwrites only the position that it has stored last, in the database that it
//     was read from (begin.go).
//   - The server holds what is not confirmed. The connection is confirmed also when no change of the tables passes: by
//     keepalives, which say how far the server has read.
//
// Four goroutines work on a Run: the receiver and the keeper of the replication connection (stream.go), that of Run,
// which decodes, emits and stores (run.go), and the monitor, which measures the lag and acts beyond max_lag (monitor.go). A feed is
// between the receiver and the reader (feed.go): a pipe in memory (pipe.go), or the spool (spooler.go, spooling.go). tuple.go and relation.go parse pgoutput,
// process.go follows transactions, row.go and change.go make events, and readback.go reads columns that the server has not sent.
// snapshot.go and its parts emit the rows that exist, and backfill.go has them emitted again.
package postgreswal
