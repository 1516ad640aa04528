package postgresoutbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
)

// A backfill writes rows of a table into the outbox again, in the order of their keys. Each transaction
// locks a few rows against changes, writes their present state, and commits. So a row's id in the outbox is above
// those of all changes that it includes, and below those of all later ones, as with a change of the row itself.

// backfilled is the operation of a row that is sent again.
const backfilled = "R"

const (
	firstBackfill = 10   // rows in the first transaction
	maxBackfill   = 1000 // rows in a transaction
	// A transaction takes fewer rows if one has taken longer, or was larger: users' changes of its rows wait for it.
	slowBackfill      = 100 * time.Millisecond
	maxBackfillBytes  = 4 << 20
	maxUnreadChunks   = 10 // transactions that the readers have not read
	backfillRetry     = 100 * time.Millisecond
	backfillReport    = 2 * time.Second
	backfillWaitShown = 5 * time.Second
)

// backfillOptions are the flags of gateway outbox backfill.
type backfillOptions struct {
	table, where, after string
	owners              []string
}

// backfill is one run of the command.
type backfill struct {
	backfillOptions
	conn     *pgx.Conn
	out      io.Writer
	alias    string // of the table in where
	oid      uint32
	written  string // the name under which changes of the table are written
	query    pgconn.KeyQuery
	key      []string // the last that was sent
	size     int      // rows in the next transaction
	rows     int64
	unread   []int64 // last id of each of the latest transactions
	reported time.Time
	waiting  time.Time // since when it waits
}

// runBackfill sends the rows of a table again. It can be repeated, and resumed after a key.
func runBackfill(ctx context.Context, conn *pgx.Conn, o backfillOptions, out io.Writer) error {
	b := &backfill{backfillOptions: o, conn: conn, out: out, size: firstBackfill, reported: time.Now()}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for {
		n, err := b.next(ctx)
		if err != nil {
			if b.rows > 0 {
				return fmt.Errorf("%d rows are sent, the others are not: %w; go on with --after %s", b.rows, err, pgtrigger.ShellArg(keyText(b.key)))
			}
			return err
		}
		if n == 0 {
			_, err := fmt.Fprintf(out, "%d rows of %s are sent again\n", b.rows, b.written)
			return err
		}
		if time.Since(b.reported) > backfillReport {
			b.report("%d rows, up to the key %s\n", b.rows, keyText(b.key))
		}
	}
}

func (b *backfill) report(format string, args ...any) {
	b.reported = time.Now()
	fmt.Fprintf(b.out, format, args...) // progress: that it cannot be written ends nothing
}

func keyText(key []string) string {
	text, _ := json.Marshal(key) // strings always have a JSON form
	return string(text)
}

// backfillTableSQL finds a table, its trigger, and whether a reader has it. A table that was renamed is written under its old name
// until another table has that, as gateway.outbox_capture does.
var backfillTableSQL = `SELECT t.oid, t.partitioned, t.part, t.fires, CASE WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ` + tableNameSQL + ` = t.written AND c.oid <> t.oid) THEN t.name ELSE t.written END,
	EXISTS (SELECT FROM gateway.outbox_reader), coalesce(ARRAY[t.written, t.name] && ` + tablesReadSQL + `::text[], true)
	FROM (SELECT c.oid, c.relkind = 'p' AS partitioned, c.relispartition AS part, ` + tableNameSQL + ` AS name,
		EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND ` + firesSQL + `) AS fires,
		coalesce((SELECT ` + writtenNameSQL + ` FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = '!gateway_outbox'), '') AS written
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname = $1 AND c.relname = $2) t`

// prepare finds the table and its key.
func (b *backfill) prepare(ctx context.Context) error {
	table, err := pgtrigger.ParseTable(b.table)
	if err != nil {
		return fmt.Errorf("--table: %w", err)
	}
	installed, err := outboxVersion(ctx, b.conn)
	if err != nil {
		return err
	}
	if installed.Version < boundVersion {
		return errors.New("rows cannot be sent again: " + boundNeedsVersion)
	}
	b.alias = pgx.Identifier{table.Name}.Sanitize()
	var partition, fires, readers, claimed bool
	err = pgconn.InTx(ctx, b.conn, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, backfillTableSQL, table.Schema, table.Name).Scan(&b.oid, &b.query.Partitioned, &partition, &fires, &b.written, &readers, &claimed)
		if err != nil {
			return err
		}
		b.query.Table = table.String()
		b.query.Key, err = pgconn.PrimaryKey(ctx, tx, b.oid)
		return err
	})
	name := table.Qualified()
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("there is no table %s", name)
	case err != nil:
		return fmt.Errorf("cannot find the table %s: %w", name, err)
	case partition:
		return fmt.Errorf("%s is a partition: write the partitioned table instead", name)
	case !fires:
		return fmt.Errorf("the changes of %s are not captured, so its rows have no order among them: gateway sql --mode outbox --table %s --apply", name, pgtrigger.ShellArg(pgtrigger.QuoteQualified(name)))
	case len(b.query.Key) == 0:
		return fmt.Errorf("%s has no primary key", name)
	case !readers, !claimed:
		return fmt.Errorf("no reader has the table %s: start its gateway first", name)
	}
	if b.after == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(b.after), &b.key); err != nil || len(b.key) != len(b.query.Key) {
		return fmt.Errorf("--after: write the key as the command has printed it, a JSON array of %d texts", len(b.query.Key))
	}
	return nil
}
