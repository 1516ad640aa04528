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

	"eventgateway/gateway/pgtrigger"
)

// SQLSTATEs of what is not there.
const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
)

var errFenced = errors.New("another gateway has taken over: it reads under the same name; give both a leader, or one of them another name")

// begin takes a new token, with which the readers before are fenced off, and loads the
// cursor.
func (r *reader) begin(ctx context.Context) error {
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
	var gaps string
	var snapshot []byte
	err := r.conn.QueryRow(ctx, `INSERT INTO gateway.outbox_reader AS r (name, token) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET token = r.token + 1 RETURNING hi, gaps::text, token, snapshot`, r.s.opts.Name).Scan(&r.cursor.hi, &gaps, &r.token, &snapshot)
	var said *pgconn.PgError
	if errors.As(err, &said) && (said.Code == undefinedTable || said.Code == undefinedSchema) {
		return errNoOutbox
	}
	if err != nil {
		return fmt.Errorf("cannot take over the cursor of %s: %w", r.s.opts.Name, err)
	}
	if r.cursor.gaps, err = parseGaps(gaps); err != nil {
		return err
	}
	var last, cache int64
	err = r.conn.QueryRow(ctx, `SELECT s.seqrelid::bigint, coalesce(pg_sequence_last_value(s.seqrelid), 0), s.seqcache FROM pg_sequence s
		WHERE s.seqrelid = pg_get_serial_sequence('gateway.outbox', 'id')::regclass`).Scan(&r.sequence, &last, &cache)
	if err != nil {
		return fmt.Errorf("cannot see the sequence of the outbox: %w", err)
	}
	if err := checkSequence(cache, last, r.cursor.hi); err != nil {
		return err
	}
	if r.s.opts.Wake == "bell" {
		if _, err := r.conn.Exec(ctx, "LISTEN gateway_outbox"); err != nil {
			return fmt.Errorf("cannot listen: %w", err)
		}
	}
	return r.planSnapshot(ctx, snapshot)
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

// save stores how far everything was acked. It fails where another reader has taken
// over.
func (r *reader) save(ctx context.Context) error {
	at, moved := r.flight.Take()
	if !moved {
		return nil
	}
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
	tag, err := r.conn.Exec(ctx, `UPDATE gateway.outbox_reader SET hi = $3, gaps = $4::text::int8multirange, low = $5, snapshot = $6, saved = now()
		WHERE name = $1 AND token = $2`, r.s.opts.Name, r.token, c.hi, c.multirange(), c.low(), snapshot)
	if err != nil {
		r.flight.Keep()
		return fmt.Errorf("cannot store the cursor: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errFenced
	}
	r.untidy = true
	return nil
}

// retain deletes what every reader has delivered, some at a time.
func (r *reader) retain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	tag, err := r.conn.Exec(ctx, `WITH done AS (SELECT min(low) AS low FROM gateway.outbox_reader)
		DELETE FROM gateway.outbox o USING done
		WHERE o.id <= done.low AND o.id IN (SELECT id FROM gateway.outbox, done d WHERE id <= d.low ORDER BY id LIMIT $1)`, retainMost)
	if err != nil {
		return fmt.Errorf("cannot delete what was delivered: %w", err)
	}
	r.untidy = tag.RowsAffected() == retainMost // there may be more
	return nil
}
