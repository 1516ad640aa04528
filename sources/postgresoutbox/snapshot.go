package postgresoutbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

const (
	firstChunk     = 1  // row: it may be large, and the link slow
	maxChangeReads = 20 // of changes, before a chunk
)

// checkpoint is what is stored: the cursor of the changes, and the progress of the snapshot.
type checkpoint struct {
	cursor   cursor
	snapshot snapshot
}

// snapshot is the progress of reading existing rows, by table. It is immutable.
type snapshot struct {
	Tables map[string]tableSnapshot `json:"tables,omitempty"`
	// Reads holds the tables whose changes the reader emits; nil for all.
	Reads []string `json:"reads,omitempty"`
	// Seen is a pg_snapshot in which all changes that were read are visible; "" if it is not known.
	Seen string `json:"seen,omitempty"`
	// Checked is reuseDetector.checked, as a pg_snapshot; "" if there is none.
	Checked string `json:"checked,omitempty"`
}

type tableSnapshot struct {
	// Since is the oldest transaction that was open, or had a change of this table in the
	// outbox, when its snapshot began: its writes and later ones may be emitted as
	// changes, too. If the outbox has changes from a dump, it is older than all.
	Since string   `json:"since"`
	Key   string   `json:"key,omitempty"`   // id of the key then: After is of no use with another key
	After []string `json:"after,omitempty"` // the key that was read last, as text; empty before the first
	Done  bool     `json:"done,omitempty"`
	Again int64    `json:"again,omitempty"` // if the reader was detached before: a number that makes the IDs differ from those of the earlier snapshot
}

// with returns the snapshot with another state of a table.
func (s snapshot) with(table string, state tableSnapshot) snapshot {
	s.Tables = maps.Clone(s.Tables)
	s.Tables[table] = state
	return s
}

// next returns a table that is neither done nor paused, or "".
func (s snapshot) next(paused map[string]tablePause) string {
	for _, table := range slices.Sorted(maps.Keys(s.Tables)) {
		if !s.Tables[table].Done && time.Now().After(paused[table].until) {
			return table
		}
	}
	return ""
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
		maps.DeleteFunc(r.snapshot.Tables, func(_ string, t tableSnapshot) bool { return !t.Done })
	}
	if err := r.updateTables(ctx); err != nil {
		return err
	}
	if r.s.opts.Snapshot != "initial" {
		return r.save(ctx)
	}
	if r.snapshot.Tables == nil {
		r.snapshot.Tables = map[string]tableSnapshot{}
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
		var begun tableSnapshot
		if err := r.conn.QueryRow(ctx, `SELECT least(pg_snapshot_xmin(pg_current_snapshot())::text::numeric,
			(SELECT min(xid::text::numeric) FROM gateway.outbox WHERE tbl = $1), (SELECT greatest(pg_snapshot_xmax(pg_current_snapshot())::text::numeric - 1000000000, 3)
			WHERE EXISTS (SELECT FROM gateway.outbox WHERE tbl = $1 AND xid >= pg_snapshot_xmax(pg_current_snapshot()))))::text`, table).Scan(&begun.Since); err != nil {
			return fmt.Errorf("cannot begin the snapshot: %w", err)
		}
		if r.detached {
			begun.Again = r.token
		}
		r.s.log.Info("snapshot started", "table", table)
		r.snapshot = r.snapshot.with(table, begun)
	}
	r.dirty = true // store it even if no change arrives
	return r.save(ctx)
}

// emitSnapshot emits the next existing rows, and reports whether it has read anything. They are read in
// one snapshot of the database with the changes before them. So a row follows all of its changes that it
// includes, and precedes all others.
func (r *reader) emitSnapshot(ctx context.Context, out plugin.Output) (bool, error) {
	table := r.snapshot.next(r.s.pausedTables)
	if table == "" || len(r.cursor.pending) > maxPending {
		return false, nil
	}
	if err := r.awaitCapacity(ctx, out); err != nil {
		return false, err
	}
	changes, existing, drained, err := r.readConsistent(ctx, table)
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
	case existing.readErr != nil: // the changes, and other tables, go on
		delete(r.keys, table) // it may have been renamed
		p := r.s.pauseTable(table)
		r.s.log.Warn("snapshot paused", "table", table, "pause", p, "error", existing.readErr)
		return len(changes) > 0, nil
	}
	delete(r.s.pausedTables, table)
	return true, r.emitChunk(ctx, out, table, existing)
}

// readConsistent reads changes and then, if it has read all that are visible, the next rows of a table, in
// one snapshot of the database.
func (r *reader) readConsistent(ctx context.Context, table string) (changes []row, existing chunk, drained bool, err error) {
	tx, err := r.beginRepeatableRead(ctx)
	if err != nil {
		return nil, existing, false, fmt.Errorf("cannot read the outbox: %w", err)
	}
	for range maxChangeReads {
		rows, err := r.read(ctx)
		if err != nil {
			return nil, existing, false, err
		}
		if drained = len(rows) == 0; drained {
			if existing, err = r.readChunk(ctx, table); err != nil {
				return nil, existing, false, err
			}
			break
		}
		changes = append(changes, rows...)
	}
	limited, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := tx.Commit(limited); err != nil {
		return nil, existing, false, fmt.Errorf("cannot read the outbox: %w", err)
	}
	return changes, existing, drained, nil
}

func (r *reader) beginRepeatableRead(ctx context.Context) (pgx.Tx, error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	return r.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
}

// emitChunk emits rows, and advances the snapshot.
func (r *reader) emitChunk(ctx context.Context, out plugin.Output, table string, existing chunk) error {
	rows, state := existing.rows, r.snapshot.Tables[table]
	if len(rows) == 0 {
		r.s.log.Info("snapshot completed", "table", table)
		r.snapshot = r.snapshot.with(table, tableSnapshot{Since: state.Since, Again: state.Again, Done: true})
		r.dirty = true
		return nil
	}
	events := make([]*event.Event, len(rows))
	for i, one := range rows {
		key, err := r.key(ctx, table, one.Data)
		if err != nil {
			return err
		}
		origin := "row"
		if one.Flag {
			origin = "overlap"
		}
		events[i] = &event.Event{
			ID: snapshotID(table, state, one.Key), Source: r.s.name, Channel: table, Key: key.text, Time: time.Now(),
			Data:  pgconn.ReadPayload(r.s.opts.Output, table, origin, one.Data),
			Attrs: []event.Attr{{Name: event.AttrTable, Value: table}, {Name: "operation", Value: "READ"}, {Name: "snapshot", Value: origin}},
		}
		if !key.known {
			events[i].Attrs = append(events[i].Attrs, event.Attr{Name: event.AttrBarrier, Value: table})
		}
	}
	r.s.snapshotRows.Add(float64(len(rows)))
	before := r.snapshot
	r.snapshot = r.snapshot.with(table, tableSnapshot{Since: state.Since, Again: state.Again, Key: existing.key, After: rows[len(rows)-1].Key})
	ack := r.inFlight.Add(batchPosition{snapshotBefore: &before}, len(events))
	return out.Emit(ctx, event.Batch{Events: events, Ack: ack})
}

// snapshotID returns the ID of the event of a row. It is the same each time the row is read for a
// snapshot, and is safe in a header whatever the key is.
func snapshotID(table string, state tableSnapshot, key []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", table, key)
	since := state.Since
	if state.Again > 0 {
		since += "." + strconv.FormatInt(state.Again, 10)
	}
	return "snapshot-" + since + "-" + hex.EncodeToString(h.Sum(nil)[:16])
}
