// Package postgreswal is the source postgres-wal. It reads changes of rows from PostgreSQL's write-ahead log (WAL), by a
// logical replication slot and its plugin pgoutput.
//
// Invariants:
//   - Changes are emitted in the order of commits. A position is the LSN of a commit record and the number of a change in its
//     transaction. The stored position is the one up to which every change is acked (package inflight).
//   - The position is stored in the table gateway.wal_reader before the slot is confirmed up to it. The end of the spool is stored
//     there before the slot is confirmed up to it, too. So the server or the spool holds each change that is not stored as acked.
//   - If the slot is ahead of both, another program has moved the slot, or the spool is lost: the source reports a gap.
//   - A position belongs to a history: a server, a database and a timeline. A reader overwrites only the position that it has
//     loaded or stored last, and only in the history that it was read from (begin.go).
//   - The slot advances also while no change of the tables arrives: a keepalive of the server says how far it has read.
//
// Four goroutines work on a Run. The receiver and the keeper serve the replication connection (stream.go). The goroutine of Run
// decodes, emits and stores (run.go). The monitor measures the lag, and acts if it is beyond max_lag (monitor.go).
//
// The files, by task:
//   - The start: session.go opens sessions, begin.go compares the stored position with the slot, slot.go makes and drops the slot.
//   - The messages: feed.go supplies the reader with those of a pipe in memory (pipe.go) or of the spool (spooling.go, package
//     spool). spooler.go writes a stream into the spool.
//   - The events: tuple.go and relation.go parse pgoutput, process.go follows transactions, row.go and change.go make events,
//     readback.go reads columns that the server has not sent, and encoding.go translates other encodings. position.go has positions
//     and IDs.
//   - Existing rows: snapshot.go has the progress, snapshot_chunk.go reads and emits chunks, snapshot_visible.go excludes rows of
//     which a later version was emitted. backfill.go reads a table again by request.
//   - The lag: lag.go measures it and decides whether it is beyond max_lag. monitor_spooling.go begins and ends to spool, giveup.go drops
//     the slot, stuck.go drops the slot of Runs that end again and again, monitor_publication.go checks the publication.
//   - The commands: command.go, command_move.go and slot_list.go are gateway wal, and move.go moves tables from an outbox and back.
//   - The checks of gateway check --live: probe.go and probe_*.go.
package postgreswal
