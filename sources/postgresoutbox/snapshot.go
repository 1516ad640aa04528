package postgresoutbox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgsnapshot"
	"eventgateway/gateway/plugin"
)

const maxChangeReads = 20 // of changes, before a chunk

// checkpoint is what is stored: the cursor of the changes, and the progress of the snapshot.
type checkpoint struct {
	cursor   cursor
	snapshot snapshot
}

// snapshot is the progress of reading existing rows, by table. It is immutable.
type snapshot struct {
	Tables pgsnapshot.Tables `json:"tables,omitempty"`
	// Reads holds the tables whose changes the reader emits; nil for all.
	Reads []string `json:"reads,omitempty"`
	// Seen is a pg_snapshot in which all changes that were read are visible; "" if it is not known.
	Seen string `json:"seen,omitempty"`
	// Checked is reuseDetector.checked, as a pg_snapshot; "" if there is none.
	Checked string `json:"checked,omitempty"`
}

// startSnapshot loads the progress of an earlier run, and adds new tables. If the cursor is from another
// database, tables that are not done begin again, because their transaction ids are of that database.
func (r *reader) startSnapshot(ctx context.Context, stored []byte, same bool) error {
	if len(stored) > 0 {
		if err := json.Unmarshal(stored, &r.snapshot); err != nil {
			return fmt.Errorf("cannot parse the snapshot %s in gateway.outbox_reader: %w", stored, err)
		}
	}
	if r.detached { // changes of all tables are lost
		r.snapshot.Tables = nil
	}
	if !same {
		r.snapshot.Tables = maps.Clone(r.snapshot.Tables)
		maps.DeleteFunc(r.snapshot.Tables, func(_ string, t pgsnapshot.Table) bool { return !t.Done })
	}
	if err := r.updateTables(ctx); err != nil {
		return err
	}
	if r.s.opts.Snapshot != "initial" {
		return r.save(ctx)
	}
	if r.snapshot.Tables == nil {
		r.snapshot.Tables = pgsnapshot.Tables{}
	}
	for table := range r.s.tables {
		state, known := r.snapshot.Tables[table]
		if key, err := r.keyOf(ctx, table); !state.Done {
			if err == nil && key.oid != 0 {
				err = pgconn.CheckRowsReadable(ctx, r.conn, key.oid, r.s.opts.Owners)
			}
			if err != nil {
				return fmt.Errorf("snapshot: %w", err)
			}
		}
		if known {
			continue
		}
		// The oldest transaction that is open, or has a change of this table in the outbox. If the outbox has
		// changes from a dump, it is older than all.
		var begun pgsnapshot.Table
		if err := r.conn.QueryRow(ctx, `SELECT least(pg_snapshot_xmin(pg_current_snapshot())::text::numeric,
			(SELECT min(xid::text::numeric) FROM gateway.outbox WHERE tbl = $1), (SELECT greatest(pg_snapshot_xmax(pg_current_snapshot())::text::numeric - 1000000000, 3)
			WHERE EXISTS (SELECT FROM gateway.outbox WHERE tbl = $1 AND xid >= pg_snapshot_xmax(pg_current_snapshot()))))::text`, table).Scan(&begun.Since); err != nil {
			return fmt.Errorf("cannot begin the snapshot: %w", err)
		}
		if r.detached {
			begun.Again = r.token
		}
		r.s.progress.Started(table)
		r.snapshot.Tables = r.snapshot.Tables.With(table, begun)
	}
	r.dirty = true // store it even if no change arrives
	return r.save(ctx)
}

// emitSnapshot emits the next existing rows, and reports whether it has read anything. They are read in
// one snapshot of the database with the changes before them. So a row follows all of its changes that it
// includes, and precedes all others.
func (r *reader) emitSnapshot(ctx context.Context, out plugin.Output) (bool, error) {
	table := r.s.snapshotReader.Next(r.snapshot.Tables)
	if table == "" || len(r.cursor.pending) > maxPending {
		return false, nil
	}
	if err := r.awaitCapacity(ctx, out); err != nil {
		return false, err
	}
	changes, existing, readErr, drained, err := r.readConsistent(ctx, table)
	if err != nil {
		return false, err
	}
	// The transaction has ended before emit, which may block.
	if err := r.emit(ctx, out, changes); err != nil {
		return false, err
	}
	switch {
	case !drained: // too many changes: the rows follow later
		return true, nil
	case readErr != nil: // the changes, and other tables, go on
		delete(r.keys, table) // it may have been renamed
		r.s.snapshotReader.Pause(r.s.log, table, readErr)
		return len(changes) > 0, nil
	}
	r.s.snapshotReader.Resume(table)
	return true, r.emitChunk(ctx, out, existing)
}

// readConsistent reads changes and then, if it has read all that are visible, the next rows of a table, in
// one snapshot of the database. readErr is the error of a table that could not be read.
func (r *reader) readConsistent(ctx context.Context, table string) (changes []row, existing *pgsnapshot.Chunk, readErr error, drained bool, err error) {
	tx, err := r.beginRepeatableRead(ctx)
	if err != nil {
		return nil, nil, nil, false, fmt.Errorf("cannot read the outbox: %w", err)
	}
	for range maxChangeReads {
		rows, err := r.read(ctx)
		if err != nil {
			return nil, nil, nil, false, err
		}
		if drained = len(rows) == 0; drained {
			if existing, readErr, err = r.readChunk(ctx, table); err != nil {
				return nil, nil, nil, false, err
			}
			break
		}
		changes = append(changes, rows...)
	}
	limited, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := tx.Commit(limited); err != nil {
		return nil, nil, nil, false, fmt.Errorf("cannot read the outbox: %w", err)
	}
	return changes, existing, readErr, drained, nil
}

func (r *reader) beginRepeatableRead(ctx context.Context) (pgx.Tx, error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	return r.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
}

// emitChunk emits rows, and advances the snapshot.
func (r *reader) emitChunk(ctx context.Context, out plugin.Output, c *pgsnapshot.Chunk) error {
	state := r.snapshot.Tables[c.Table]
	if len(c.Rows) == 0 {
		r.s.progress.Completed(c.Table)
		r.snapshot.Tables = r.snapshot.Tables.WithDone(c.Table)
		r.dirty = true
		return nil
	}
	events := make([]*event.Event, len(c.Rows))
	for i, one := range c.Rows {
		key, known := c.RowKey(one)
		events[i] = c.Event(r.s.name, r.s.opts.Output, state, one, key, known)
	}
	r.s.snapshotRows.Add(float64(len(events)))
	r.s.progress.Add(c.Table, len(events))
	before := r.snapshot
	r.snapshot.Tables = r.snapshot.Tables.WithChunk(c, c.Rows[len(c.Rows)-1].Key)
	ack := r.inFlight.Add(batchPosition{snapshotBefore: &before}, len(events))
	return out.Emit(ctx, event.Batch{Events: events, Ack: ack})
}
