package postgresoutbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	gatewayconn "eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// SQLSTATEs of what is not there.
const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
)

// errMoved is of a cursor that somebody else has changed, or of a database that is another one now.
var errMoved = errors.New("the cursor in the database is not as this reader has stored it, or the database is another one now: it is read again")

var errFenced = errors.New("another gateway has taken over: it reads under the same name; give both a leader, or one of them another name")

// begin takes a new token, with which the readers before are fenced off, and loads the
// cursor. Where this belongs to another history, it reports a gap.
func (r *reader) begin(ctx context.Context, out plugin.Output) error {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.inspect(ctx); err != nil {
		return err
	}
	if err := r.capturesAll(ctx, out); err != nil { // before it counts as a reader for whom changes are kept
		return err
	}
	now, err := r.locate(ctx)
	if err != nil {
		return err
	}
	stored, err := r.load(ctx)
	if err != nil {
		return err
	}
	if err := r.look(ctx, &now, stored.seen); err != nil {
		return err
	}
	if err := checkCache(now.cache); err != nil {
		return err
	}
	reason, believe := r.compare(now, stored.history)
	if reason != "" {
		out.Gap(reason)
		r.memory.top = top{}
	}
	if !believe || r.s.again {
		if err := r.forget(ctx); err != nil {
			return err
		}
		r.horizon, stored.low = newHorizon(0, 0, now.next), 0
	}
	if err := r.settleHistory(ctx, now, stored.history); err != nil {
		return err
	}
	r.memory.history, r.memory.position, r.memory.token = now.history, now.position, r.token
	r.kept = [2]kept{{r.cursor.hi, stored.low}, {r.cursor.hi, stored.low}}
	return r.planSnapshot(ctx, stored.snapshot, believe || sameDatabase(stored.history, now.history))
}

// kept is what a stored cursor is told apart by.
type kept struct{ hi, low int64 }

// loaded is what is stored, beside the cursor and the token.
type loaded struct {
	low      int64
	snapshot []byte
	history  history // "": not stored
	seen     int64   // 0: not stored
}

// load takes the cursor over. The new token survives a crash of the server, so that one that is
// lower shows that history went back.
func (r *reader) load(ctx context.Context) (l loaded, err error) {
	var gaps string
	err = gatewayconn.In(ctx, r.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = local"); err != nil {
			return err
		}
		more := ", '', 0::bigint"
		if r.columns {
			more = ", coalesce(history, ''), coalesce(seen::text::bigint, 0)"
		}
		return tx.QueryRow(ctx, `INSERT INTO gateway.outbox_reader AS r (name, token) VALUES ($1, 1)
			ON CONFLICT (name) DO UPDATE SET token = r.token + 1 RETURNING hi, gaps::text, token, low, snapshot`+more, r.s.opts.Name).
			Scan(&r.cursor.hi, &gaps, &r.token, &l.low, &l.snapshot, &l.history, &l.seen)
	})
	var said *pgconn.PgError
	if errors.As(err, &said) && (said.Code == undefinedTable || said.Code == undefinedSchema) {
		return l, errNoOutbox
	}
	if err != nil {
		return l, fmt.Errorf("cannot take over the cursor of %s: %w", r.s.opts.Name, err)
	}
	r.cursor.gaps, err = parseGaps(gaps)
	return l, err
}

// prepare makes the outbox in a database that is the gateway's own.
func (r *reader) prepare(ctx context.Context) error {
	if !r.s.opts.URL.FromEmbedded() || len(r.s.opts.Tables) == 0 {
		return nil
	}
	var o pgtrigger.Outbox
	for _, text := range r.s.opts.Tables {
		t, _ := pgtrigger.ParseTable(text) // Check saw to it
		o.Tables = append(o.Tables, t)
	}
	if _, err := r.conn.Exec(ctx, o.CreateSQL()); err != nil {
		return fmt.Errorf("cannot make the outbox: %w", err)
	}
	return nil
}

// place is where a batch stands: a change by its id; rows of a snapshot by the snapshot before them.
type place struct {
	id     int64
	before *snapshot
}

// position returns what is to be stored: all that was read, but for what is not settled. Rows of
// the snapshot come again from the first batch of them on that is not.
func (r *reader) position() position {
	at := position{snapshot: r.snapshot, seen: r.horizon.seen()}
	ids, found := slices.Clone(r.unemitted), false
	for _, open := range r.flight.Unacked() {
		switch {
		case open.before == nil:
			ids = append(ids, open.id)
		case !found:
			at.snapshot, found = *open.before, true
		}
	}
	at.cursor = r.cursor.without(ids)
	return at
}

// save stores what was settled. It fails where another reader has taken over, and
// where the database is another one, or went back: it stores only over what this reader has
// loaded or stored last, under the same history, and where the latest change that was read is
// still there, unless that may have been deleted. The reader of an earlier session may save, too.
func (r *reader) save(ctx context.Context) error {
	if moved := r.flight.StartCheckpoint(); !moved && !r.stale {
		return nil
	}
	at := r.position()
	r.stale = false
	var snapshot []byte // NULL where there is none
	if at.snapshot.Tables != nil || at.snapshot.Reads != nil {
		var err error
		if snapshot, err = json.Marshal(at.snapshot); err != nil {
			return fmt.Errorf("cannot store the snapshot's progress: %w", err)
		}
	}
	c := at.cursor
	ctx, cancel := r.answer(ctx)
	defer cancel()
	before, next := r.kept, kept{c.hi, c.low()}
	r.kept[1] = next // it may be stored although no answer comes
	var position int64
	err := r.conn.QueryRow(ctx, `UPDATE gateway.outbox_reader r SET hi = $3, gaps = $4::text::int8multirange, low = $5, snapshot = $6, saved = now()`+r.column(", seen = nullif($14::bigint, 0)::text::xid8")+`
		WHERE name = $1 AND token = $2 AND (hi, low) IN (($7::bigint, $8::bigint), ($9::bigint, $10::bigint))
		AND `+r.tells.history+` = $11::text AND `+r.tells.written+` >= $12::bigint
		AND ($13::bigint <= hi AND NOT $13::bigint <@ gaps OR EXISTS (SELECT FROM gateway.outbox o WHERE o.id = $13 AND o.at = $15)) AND $14::bigint >= 0 RETURNING `+r.tells.flushed,
		r.s.opts.Name, r.token, c.hi, c.multirange(), c.low(), snapshot, before[0].hi, before[0].low, before[1].hi, before[1].low,
		string(r.memory.history), r.memory.position, r.memory.top.id, at.seen, r.memory.top.at).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return r.still(ctx)
	}
	if err != nil {
		r.stale = true
		return fmt.Errorf("cannot store the cursor: %w", err)
	}
	r.kept = [2]kept{next, next}
	r.memory.position = max(r.memory.position, position)
	r.untidy = true
	return nil
}

func sameDatabase(a, b history) bool {
	one, _ := a.parts()
	other, _ := b.parts()
	return a == "" || one == other
}
