package postgresoutbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	gatewayconn "eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgsnapshot"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// SQLSTATEs of missing objects.
const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
)

// errCursorChanged means that another process changed the stored cursor, or that the database was replaced.
var errCursorChanged = errors.New("the stored cursor was changed by another process, or the database was replaced: the reader loads it again")

var errFenced = errors.New("another gateway has taken over: it reads under the same name; give both a leader, or one of them another name")

// begin loads the cursor with a new token, which fences earlier readers. If the cursor
// belongs to another history, begin reports a gap.
func (r *reader) begin(ctx context.Context, out plugin.Output) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := r.createOutbox(ctx); err != nil {
		return err
	}
	if err := r.checkInstalled(ctx); err != nil {
		return err
	}
	if err := r.checkCaptures(ctx, out); err != nil { // before it is stored as a reader, for whom changes stay in the outbox
		return err
	}
	state, err := r.readHistory(ctx)
	if err != nil {
		return err
	}
	stored, err := r.load(ctx)
	if err != nil {
		return err
	}
	if stored.detached != "" {
		r.known.lastChange = changeMark{} // it may be deleted
	}
	if err := r.readSequence(ctx, &state, stored.seen); err != nil {
		return err
	}
	if err := checkCache(state.cache); err != nil {
		return err
	}
	if r.detached = stored.detached != ""; r.detached {
		out.Gap(stored.detached)
	}
	reason, invalid := r.compare(state, stored.history)
	if reason != "" {
		out.Gap(reason)
		r.known.lastChange = changeMark{}
	}
	if r.s.restart {
		invalid = anyHistory
	}
	reset, err := r.resetCursors(ctx, invalid)
	if err != nil {
		return err
	}
	if r.s.restart = false; reset {
		r.reuse = newReuseDetector(0, nil, state.belowLowest)
	}
	if r.detached && !reset {
		if err := r.skipVisible(ctx, state.belowLowest); err != nil {
			return err
		}
	}
	if r.reuse.checked = stored.checked; r.cursor.high == 0 || r.detached { // it has passed nothing, or all on purpose
		r.reuse.checked = state.now
	}
	r.readSQL = strings.NewReplacer("DETACHED", r.detachedSQL(), "TRACE", r.traceSQL()).Replace(readRowsSQL)
	if err := r.storeHistory(ctx, state, stored.history); err != nil {
		return err
	}
	r.known.history, r.known.position, r.known.token = state.history, state.position, r.token
	if state.rowsAbove {
		if err := r.findOlder(ctx); err != nil {
			return err
		}
	}
	if err := r.startSnapshot(ctx, stored.snapshot, stored.history == "" || stored.history.sameOutbox(state.history)); err != nil {
		return err
	}
	return r.attach(ctx, out) // only now: a reader that is killed before must begin its new snapshot next time
}

// storedBounds identify a stored cursor.
type storedBounds struct{ high, low int64 }

// loadedCursor is what is stored beside the cursor and the token.
type loadedCursor struct {
	snapshot []byte
	history  history                // "": not stored
	seen     *pgsnapshot.TxSnapshot // nil: not stored
	checked  *pgsnapshot.TxSnapshot // as above
	detached string                 // why changes are lost; "": none are
}

// load takes the cursor over. The new token survives a crash of the server. So a lower token
// shows that history went back.
func (r *reader) load(ctx context.Context) (loaded loadedCursor, err error) {
	var gaps, seen, checked string
	var low int64
	err = gatewayconn.InTx(ctx, r.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = local"); err != nil {
			return err
		}
		// Until November 2026 only the bound of the transaction ids was stored.
		more := r.optionalSQL(", coalesce(history, ''), coalesce(snapshot->>'seen', seen::text || ':' || seen::text || ':', '')", ", '', coalesce(snapshot->>'seen', '')")
		more += ", coalesce(snapshot->>'checked', '')"
		err := tx.QueryRow(ctx, `INSERT INTO gateway.outbox_reader AS r (name, token) VALUES ($1, 1)
			ON CONFLICT (name) DO UPDATE SET token = r.token + 1 RETURNING hi, gaps::text, token, low, snapshot`+more, r.s.opts.Name).
			Scan(&r.cursor.high, &gaps, &r.token, &low, &loaded.snapshot, &loaded.history, &seen, &checked)
		if err == nil {
			r.stored = [2]storedBounds{{r.cursor.high, low}, {r.cursor.high, low}}
			r.cursor.pending, err = parseRanges(gaps)
		}
		if err == nil && r.hasBound {
			loaded.detached, err = r.discardUnread(ctx, tx)
		}
		return err
	})
	if err == nil && r.hasBound && loaded.detached == "" { // only now no writer and no other reader can detach the former token
		loaded.detached, err = r.discardUnread(ctx, r.conn)
	}
	var serverErr *pgconn.PgError
	if errors.As(err, &serverErr) && (serverErr.Code == undefinedTable || serverErr.Code == undefinedSchema) {
		return loaded, errNoOutbox
	}
	if err != nil {
		return loaded, fmt.Errorf("cannot take over the cursor of %s: %w", r.s.opts.Name, err)
	}
	var err2 error
	loaded.seen, err = pgsnapshot.ParseTxSnapshot(seen)
	loaded.checked, err2 = pgsnapshot.ParseTxSnapshot(checked)
	return loaded, errors.Join(err, err2)
}

// createOutbox creates the outbox in an embedded database.
func (r *reader) createOutbox(ctx context.Context) error {
	if !r.s.opts.URL.FromEmbedded() || len(r.s.opts.Tables) == 0 {
		return nil
	}
	var o pgtrigger.Outbox
	for _, text := range r.s.opts.Tables {
		t, _ := pgtrigger.ParseTable(text) // valid: Check has parsed it
		o.Tables = append(o.Tables, t)
	}
	if _, err := r.conn.Exec(ctx, o.CreateSQL()); err != nil {
		return fmt.Errorf("cannot create the outbox: %w", err)
	}
	return nil
}

// batchPosition is the position of a batch: of a change its id, of snapshot rows the snapshot before them.
type batchPosition struct {
	changeID       int64
	snapshotBefore *snapshot
}

// checkpoint returns what is to be stored: all that was read, except for what is not settled. The
// snapshot resumes at its first batch that is not settled.
func (r *reader) checkpoint() checkpoint {
	cp := checkpoint{snapshot: r.snapshot}
	ids, found := slices.Clone(r.unemitted), false
	for _, open := range r.inFlight.Unacked() {
		switch {
		case open.snapshotBefore == nil:
			ids = append(ids, open.changeID)
		case !found:
			cp.snapshot, found = *open.snapshotBefore, true
		}
	}
	cp.cursor = r.cursor.withPending(ids)
	cp.snapshot.Seen, cp.snapshot.Checked = r.reuse.seen().String(), r.reuse.checked.String()
	return cp
}

// save stores the cursor. It fails if another reader has taken over, or if the database was replaced or
// went back. So it overwrites only what this reader has loaded or stored last, under the same
// history, and only while the latest change that was read still exists or may have been deleted.
// The reader of an earlier session may save, too.
func (r *reader) save(ctx context.Context) error {
	if progressed := r.inFlight.StartCheckpoint(); !progressed && !r.dirty {
		return nil
	}
	cp := r.checkpoint()
	r.dirty = false
	var snapshot []byte // NULL if there is none
	if cp.snapshot.Tables != nil || cp.snapshot.Reads != nil || cp.snapshot.Seen != "" || cp.snapshot.Checked != "" {
		var err error
		if snapshot, err = json.Marshal(cp.snapshot); err != nil {
			return fmt.Errorf("cannot store the snapshot's progress: %w", err)
		}
	}
	c := cp.cursor
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	previous, saving := r.stored, storedBounds{c.high, c.low()}
	r.stored[1] = saving // the server may store it although its answer is lost
	var position int64
	err := r.conn.QueryRow(ctx, `UPDATE gateway.outbox_reader r SET hi = $3, gaps = $4::text::int8multirange, low = $5, snapshot = $6, saved = now()`+r.optionalSQL(", seen = NULL", "")+`
		WHERE name = $1 AND token = $2 AND (hi, low) IN (($7::bigint, $8::bigint), ($9::bigint, $10::bigint))
		AND `+r.historySQL.identity+` = $11::text AND `+r.historySQL.insertPosition+` >= $12::bigint
		AND ($13::bigint <= hi AND NOT $13::bigint <@ gaps OR EXISTS (SELECT FROM gateway.outbox o WHERE o.id = $13 AND o.at = $14)) RETURNING `+r.historySQL.flushPosition,
		r.s.opts.Name, r.token, c.high, c.multirange(), c.low(), snapshot, previous[0].high, previous[0].low, previous[1].high, previous[1].low,
		string(r.known.history), r.known.position, r.known.lastChange.id, r.known.lastChange.at).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return r.storeConflict(ctx)
	}
	if err != nil {
		r.dirty = true
		return fmt.Errorf("cannot store the cursor: %w", err)
	}
	r.stored = [2]storedBounds{saving, saving}
	r.known.position = max(r.known.position, position)
	r.deletionPending = true
	return nil
}
