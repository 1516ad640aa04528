package postgreswal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/inflight"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgsnapshot"
	"eventgateway/gateway/pgtrigger"
)

// A snapshot emits the rows that exist, in chunks, between transactions of the stream. A chunk is read in one view of the
// database. Then a message is written into the WAL, behind all transactions that are visible in the view: the high watermark.
// When the stream has passed it, all changes that the chunk's rows include were emitted. Then the chunk is emitted.
// A transaction that is not visible in the view may have been emitted before the chunk. Its events have later versions of the rows that
// it changed, so the chunk leaves these rows out (snapshot_visible.go).

// snapshot is the progress of reading existing rows. It is immutable, and every mark has the one of its position.
type snapshot struct {
	Tables pgsnapshot.Tables `json:"tables"`
	// Unseen holds emitted transactions that were not visible in the latest view, and have changed tables whose snapshot is not
	// complete. If they are too many, Below is a transaction id above all of them. It is 0 if there are none.
	Unseen []int64 `json:"unseen,omitempty"`
	Below  int64   `json:"below,omitempty"`

	unfinished bool // the snapshot of a table is not complete
}

// json returns the progress as it is stored; nil if there is none.
func (s *snapshot) json() ([]byte, error) {
	if s == nil || len(s.Tables) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("cannot store the progress of the snapshot: %w", err)
	}
	return data, nil
}

// reads reports whether the snapshot of a table has begun and is not complete.
func (s *snapshot) reads(table string) bool {
	if s == nil || !s.unfinished {
		return false
	}
	state, found := s.Tables[table]
	return found && !state.Done
}

// withTables returns the snapshot with other states of the tables.
func (s *snapshot) withTables(tables pgsnapshot.Tables) *snapshot {
	for _, state := range tables {
		if !state.Done {
			return &snapshot{Tables: tables, Unseen: s.Unseen, Below: s.Below, unfinished: true}
		}
	}
	return &snapshot{Tables: tables}
}

// startSnapshot loads the progress of an earlier Run, and begins the snapshot of further tables. With again, which is after a gap,
// all tables are read again.
func (r *reader) startSnapshot(ctx context.Context, progress []byte, again bool) error {
	s := &snapshot{}
	if len(progress) > 0 && !again {
		if err := json.Unmarshal(progress, s); err != nil {
			return fmt.Errorf("cannot parse the snapshot %.1000q in gateway.wal_reader: %w", progress, err)
		}
	}
	tables := pgsnapshot.Tables{}
	maps.Copy(tables, s.Tables)
	maps.DeleteFunc(tables, func(table string, _ pgsnapshot.Table) bool { // changes of a table that was not in tables were not emitted
		return len(r.s.tables) > 0 && !r.s.tables[table]
	})
	r.chunk, r.snapshot = nil, s.withTables(tables)
	if r.s.opts.Snapshot == "initial" {
		for _, table := range slices.Sorted(maps.Keys(r.s.tables)) {
			if err := r.startTable(ctx, table); err != nil {
				return fmt.Errorf("snapshot: %w", err)
			}
		}
	}
	if !r.snapshot.unfinished {
		return nil
	}
	return r.startUnseen(ctx)
}

// startTable begins the snapshot of a table, unless it was begun before.
func (r *reader) startTable(ctx context.Context, table string) error {
	state, begun := r.snapshot.Tables[table]
	if state.Done {
		return nil
	}
	err := r.checkTable(ctx, table)
	if err == nil && !begun {
		err = r.startReading(ctx, table, r.token)
	}
	return err
}

// checkTable returns an error if the changes of a table are not sent, or if its rows may not be read.
func (r *reader) checkTable(ctx context.Context, name string) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	table, _ := pgtrigger.ParseQualified(name)
	var oid uint32
	err := r.conn.QueryRow(ctx, `SELECT c.oid FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
		WHERE p.pubname = $1 AND p.schemaname = $2 AND p.tablename = $3`, r.s.opts.Publication, table.Schema, table.Name).Scan(&oid)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("the publication %s does not have the table %s, so its changes are not sent: gateway sql --mode wal --table %s --apply", r.s.opts.Publication, name, pgtrigger.ShellArg(pgtrigger.QuoteQualified(name)))
	case err != nil:
		return fmt.Errorf("cannot find the table %s: %w", name, err)
	}
	return pgconn.CheckRowsReadable(ctx, r.conn, oid, r.s.opts.Owners)
}

// startReading begins the snapshot of a table. again makes the IDs of its rows differ from those of earlier snapshots.
// Since is not above catalog_xmin, before which the slot sends no transaction. Transactions that are open now may have written before
// the table was published, or before the slot was made. The server does not send these writes, so the first chunk must include them:
// Below makes the snapshot wait for them.
func (r *reader) startReading(ctx context.Context, table string, again int64) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	begun := pgsnapshot.Table{Again: again}
	var below int64
	err := r.conn.QueryRow(ctx, `SELECT greatest(least(pg_snapshot_xmin(pg_current_snapshot())::text::numeric, (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric - age(s.catalog_xmin)
		FROM pg_replication_slots s WHERE s.slot_name = $1)), 3)::text, pg_current_xact_id()::text::bigint`, r.s.opts.Slot).Scan(&begun.Since, &below)
	if err != nil {
		return fmt.Errorf("cannot begin the snapshot of %s: %w", table, err)
	}
	r.s.progress.Started(table)
	r.snapshot = r.snapshot.withTables(r.snapshot.Tables.With(table, begun))
	r.snapshot.Below = max(r.snapshot.Below, below) // a new snapshot, which no mark shares yet
	return nil
}

// here returns the position of the reader.
func (r *reader) here() position {
	if at := (position{lsn: r.marked}); at.compare(r.emitted) > 0 {
		return at
	}
	return r.emitted
}

// completeTable notes that all rows of a table were read, or were truncated. The next mark stores that.
func (r *reader) completeTable(table string) {
	r.s.progress.Completed(table)
	r.snapshot = r.snapshot.withTables(r.snapshot.Tables.WithDone(table))
	if r.chunk != nil && r.chunk.Table == table {
		r.chunk = nil
	}
	if !r.snapshot.unfinished {
		r.unseen = unseen{}
	}
}

// markSnapshot adds a mark, so that progress of the snapshot without an event is stored.
func (r *reader) markSnapshot() {
	m := r.markAt(r.here())
	r.inFlight.AddAcked(inflight.Span[mark]{First: m, Last: m})
}
