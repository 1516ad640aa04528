package postgresoutbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.inspect(ctx); err != nil {
		return err
	}
	if err := r.captured(ctx); err != nil { // before it counts as a reader for whom changes are kept
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

// captured looks whether the tables have their trigger.
func (r *reader) captured(ctx context.Context) error {
	rows, err := r.conn.Query(ctx, `SELECT name, c.oid IS NULL, coalesce(c.relispartition, false) FROM unnest($1::text[]) name
		LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON n.nspname || '.' || c.relname = name
		WHERE c.relispartition OR NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND `+captures+`)`,
		slices.Sorted(maps.Keys(r.s.tables)))
	if err != nil {
		return fmt.Errorf("cannot see which tables have a trigger: %w", err)
	}
	var name string
	var missing, partition bool
	var problems []error
	if _, err := pgx.ForEachRow(rows, []any{&name, &missing, &partition}, func() error {
		problems = append(problems, notCaptured(name, missing, partition))
		return nil
	}); err != nil {
		return fmt.Errorf("cannot see which tables have a trigger: %w", err)
	}
	return errors.Join(problems...)
}

// captures is the condition of a trigger t that captures the table name: it fires for users,
// under the table's present name, and the trigger that makes the row into JSON before it does
// (since version 2 of the SQL).
const captures = `t.tgname = '!gateway_outbox' AND t.tgenabled IN ('O', 'A')
	AND substring(t.tgargs FROM 1 FOR octet_length(convert_to(name, getdatabaseencoding())) + 1) = convert_to(name, getdatabaseencoding()) || decode('00', 'hex')
	AND (EXISTS (SELECT FROM pg_trigger r WHERE r.tgrelid = t.tgrelid AND r.tgname = '!gateway_json' AND r.tgenabled IN ('O', 'A'))
		OR NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'gateway' AND p.proname = 'outbox_row'))`

// notCaptured says why the changes of a table do not come.
func notCaptured(table string, missing, partition bool) error {
	switch {
	case missing:
		return fmt.Errorf("there is no table %s: correct tables, or make it", table)
	case partition:
		return fmt.Errorf("%s is a partition: write the table that it is a part of", table)
	}
	return fmt.Errorf("nothing captures the changes of %s: its trigger is not there, or disabled, or was made before the table was renamed: gateway sql --mode outbox --table %[1]s --apply makes it", table)
}

// prepare makes the outbox in a database that is the gateway's own.
func (r *reader) prepare(ctx context.Context) error {
	if !r.s.opts.URL.Private() || len(r.s.opts.Tables) == 0 {
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
	for _, open := range r.flight.Open() {
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
	if moved := r.flight.Take(); !moved && !r.stale {
		return nil
	}
	at := r.position()
	r.stale = false
	var snapshot []byte // NULL where there is none
	if at.snapshot.Tables != nil {
		var err error
		if snapshot, err = json.Marshal(at.snapshot); err != nil {
			return fmt.Errorf("cannot store the snapshot's progress: %w", err)
		}
	}
	c := at.cursor
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
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
