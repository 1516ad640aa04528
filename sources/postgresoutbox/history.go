package postgresoutbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgsnapshot"
)

// history identifies what a cursor points into: "system/database/outbox/timeline". A new server
// has another system identifier, a new database has another OID, the table has another one after a
// dump was restored, and a promotion or a recovery from an archive begins another timeline. A copy of a
// server's files has the same history. So the reader also remembers, in memory, the position in the
// write-ahead log and the latest change that it has read (see [knownState]).
type history string

// parts returns the outbox, as "system/database/outbox", and the timeline.
func (h history) parts() (outbox, timeline string) {
	if i := strings.LastIndexByte(string(h), '/'); i >= 0 {
		return string(h[:i]), string(h[i+1:])
	}
	return string(h), ""
}

// sameOutbox reports whether two histories are of the same outbox. Cursors stored until November 2026
// lack its OID.
func (h history) sameOutbox(other history) bool {
	a, _ := h.parts()
	b, _ := other.parts()
	if strings.Count(a, "/") > strings.Count(b, "/") {
		a, b = b, a
	}
	return a == b || strings.Count(a, "/") == 1 && strings.HasPrefix(b, a+"/")
}

// historySQL holds the SQL expressions for the history and the position in the write-ahead log. Some
// servers speak PostgreSQL's protocol and lack these functions: there only the sequence and the rows are compared.
type historySQL struct{ identity, insertPosition, flushPosition string }

var (
	fullHistorySQL = historySQL{
		identity: `((SELECT system_identifier FROM pg_control_system())::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text || '/' ||
			to_regclass('gateway.outbox')::oid::text || '/' || ` + pgconn.TimelineSQL + `::text)`,
		insertPosition: `(pg_current_wal_insert_lsn() - '0/0')::bigint`,
		flushPosition:  `(pg_current_wal_flush_lsn() - '0/0')::bigint`,
	}
	noHistorySQL = historySQL{identity: "''", insertPosition: "0::bigint", flushPosition: "0::bigint"}
)

// knownState is what a reader knows of its database beside what is stored there. The next reader of
// this process compares it with the database that it finds.
type knownState struct {
	history    history
	position   int64 // of the write-ahead log, in bytes, as flushed to disk
	token      int64
	lastChange changeMark
}

// changeMark is the change with the highest id that was read.
type changeMark struct {
	id int64
	at time.Time
}

// databaseState is the state of the database when a reader begins.
type databaseState struct {
	history       history
	position      int64
	lastID        int64 // latest id of the sequence; 0 if none
	cache         int64
	rowsAbove     bool  // there are rows above lastID
	belowLowest   int64 // below the lowest row
	hasLastChange bool  // knownState.lastChange still exists
	reusedID      int64
	now           *pgsnapshot.TxSnapshot
}

// readHistory reads the history of the database, and which columns its cursors have.
func (r *reader) readHistory(ctx context.Context) (state databaseState, err error) {
	var standby bool
	if err := r.conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), EXISTS (SELECT FROM pg_attribute
		WHERE attrelid = to_regclass('gateway.outbox_reader') AND attname = 'seen' AND NOT attisdropped)`).Scan(&standby, &r.hasHistoryColumns); err != nil {
		return state, fmt.Errorf("cannot see the state of the server: %w", err)
	}
	if standby {
		return state, errors.New("the server is a standby, which cannot store a cursor: connect to the primary, as target_session_attrs=read-write in the url does")
	}
	r.historySQL = fullHistorySQL
	err = r.conn.QueryRow(ctx, "SELECT "+fullHistorySQL.identity+", "+fullHistorySQL.insertPosition).Scan(&state.history, &state.position)
	if unsupported := pgconn.AsUnsupported(err); unsupported != nil {
		if !r.s.warnedHistory {
			r.s.log.Warn("server history unavailable", "effect", "restores are detected by ids only", "error", unsupported)
			r.s.warnedHistory = true
		}
		r.historySQL, state.history, state.position, err = noHistorySQL, "", 0, nil
	}
	if err != nil {
		return state, fmt.Errorf("cannot read the history of the database: %w", err)
	}
	return state, nil
}

// readSequence reads the rest of the state: the sequence, and whether ids below the stored cursor were reused.
func (r *reader) readSequence(ctx context.Context, state *databaseState, stored *pgsnapshot.TxSnapshot) error {
	var now string
	err := r.conn.QueryRow(ctx, `SELECT s.seqrelid::bigint, coalesce(pg_sequence_last_value(s.seqrelid), 0), s.seqcache,
		EXISTS (SELECT FROM gateway.outbox WHERE id > coalesce(pg_sequence_last_value(s.seqrelid), 0)),
		coalesce((SELECT min(id) - 1 FROM gateway.outbox), pg_sequence_last_value(s.seqrelid), 0), EXISTS (SELECT FROM gateway.outbox WHERE id = $1 AND at = $2), pg_current_snapshot()::text
		FROM pg_sequence s WHERE s.seqrelid = pg_get_serial_sequence('gateway.outbox', 'id')::regclass`,
		r.known.lastChange.id, r.known.lastChange.at).Scan(&r.sequence, &state.lastID, &state.cache, &state.rowsAbove, &state.belowLowest, &state.hasLastChange, &now)
	if err == nil {
		state.now, err = pgsnapshot.ParseTxSnapshot(now)
	}
	if err != nil {
		return fmt.Errorf("cannot read the sequence of the outbox: %w", err)
	}
	r.reuse = newReuseDetector(r.cursor.high, stored, state.belowLowest)
	from, to, seen := r.reuse.boundsBetween(0, state.belowLowest+checkIDsAtBegin)
	err = r.conn.QueryRow(ctx, `SELECT coalesce((`+reusedRowSQL+`), 0)`, from, to, seen, r.cursor.multirange()).Scan(&state.reusedID)
	if err != nil {
		return fmt.Errorf("cannot look for reused ids: %w", err)
	}
	return nil
}

// compare returns why the database is not the one that the reader knows, or "", and the condition for stored
// cursors that are not valid. A promotion and a copy of the server's files bring the cursor as it was then, together
// with its changes. A cursor is not valid if the rows may have come in another way, as with a dump. None is
// valid if ids that this reader's has passed are used again.
func (r *reader) compare(state databaseState, stored history) (reason string, invalid func(history) bool) {
	known := r.known
	_, timeline := state.history.parts()
	_, storedTimeline := stored.parts()
	_, knownTimeline := known.history.parts()
	here := fmt.Sprintf("at timeline %s, position %s, id %d", timeline, formatPosition(state.position), state.lastID)
	before := fmt.Sprintf("at timeline %s, position %s, id %d", knownTimeline, formatPosition(known.position), known.lastChange.id)
	switch {
	case known.history != "" && !known.history.sameOutbox(state.history), stored != "" && !stored.sameOutbox(state.history):
		outbox, _ := state.history.parts()
		storedOutbox, _ := cmp.Or(stored, known.history).parts()
		reason = fmt.Sprintf("the cursor belongs to another database, or to an outbox before a restore: system/database/outbox %s, and this is %s, %s", storedOutbox, outbox, here)
	case known.history != "" && (knownTimeline != timeline || state.position < known.position):
		reason = fmt.Sprintf("the history of the database went back, or branched: it was %s, and is %s", before, here)
	case !r.cursor.passed(known.lastChange.id) && !state.hasLastChange, known.token > r.token-1:
		reason = fmt.Sprintf("the history of the database went back: it was %s, and is %s, without what was read or stored last", before, here)
	case stored != "" && storedTimeline != timeline:
		reason = fmt.Sprintf("the history of the database branched, and may have gone back: the cursor is of timeline %s, and the database is %s", storedTimeline, here)
	}
	invalid = func(h history) bool { return h != "" && state.history != "" && !h.sameOutbox(state.history) }
	switch {
	case invalid(stored):
	case state.lastID < r.cursor.high && !state.rowsAbove:
		return cmp.Or(reason, sequenceRewound(state.lastID, r.cursor.high)), anyHistory
	case state.reusedID > 0:
		return cmp.Or(reason, idReused(state.reusedID, r.cursor.high)), anyHistory
	}
	return reason, invalid
}

func sequenceRewound(last, high int64) string {
	return fmt.Sprintf("the sequence of gateway.outbox went back: it is at %d, and change %d was read", last, high)
}

func idReused(id, high int64) string {
	return fmt.Sprintf("the sequence of gateway.outbox went back, and repeated ids: change %d was written after change %d was read", id, high)
}

// formatPosition returns a position as PostgreSQL writes it.
func formatPosition(position int64) string {
	return fmt.Sprintf("%X/%X", uint64(position)>>32, uint32(position))
}

// storeHistory stores the history that the cursor belongs to from now on.
func (r *reader) storeHistory(ctx context.Context, state databaseState, stored history) error {
	if !r.hasHistoryColumns || state.history == stored {
		return nil
	}
	if _, err := r.conn.Exec(ctx, "UPDATE gateway.outbox_reader SET history = $3 WHERE name = $1 AND token = $2", r.s.opts.Name, r.token, string(state.history)); err != nil {
		return fmt.Errorf("cannot store the history that the cursor belongs to: %w", err)
	}
	return nil
}

// optionalSQL returns sql, or otherwise if the cursors are of an older version without its columns.
func (r *reader) optionalSQL(sql, otherwise string) string {
	if r.hasHistoryColumns {
		return sql
	}
	return otherwise
}

// storeConflict returns why a cursor was not stored.
func (r *reader) storeConflict(ctx context.Context) error {
	var current bool
	err := r.conn.QueryRow(ctx, "SELECT token = $2 OR hi = 0 FROM gateway.outbox_reader WHERE name = $1", r.s.opts.Name, r.token).Scan(&current)
	switch {
	case err == nil && current:
		return errCursorChanged
	case err == nil || errors.Is(err, pgx.ErrNoRows):
		return errFenced
	}
	return fmt.Errorf("cannot read which reader has the cursor: %w", err)
}
