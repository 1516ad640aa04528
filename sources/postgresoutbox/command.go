package postgresoutbox

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// command is `gateway outbox`.
func outboxCommand() plugin.Command {
	return plugin.Command{
		Name:    "outbox",
		Summary: "List the readers of an outbox, remove one, or send rows again",
		Help: `list shows each reader of the outbox at --url, or at DATABASE_URL: how many changes
it has not delivered, the oldest of them, and when it stored its cursor last.

drop NAME removes a reader that is gone for good: what only it has not delivered is
deleted by the others, or with the next one. A reader of this name that starts later,
or that still runs, begins with what is in the outbox then.

backfill --table TABLE sends rows of a table again, in the order of their keys, as the
operation READ with the attribute snapshot=backfill. Each row keeps its order among its
changes, so that it replaces no newer one. --where is SQL, with the rights of the URL's
role. Rows are locked for a moment, up to 1,000 at once: changes of these wait. It waits
while the readers are behind. It may be repeated; where it ended, --after goes on.`,
		Example: `  gateway outbox list
  gateway outbox drop old_warehouse
  gateway outbox backfill --table orders --where "created_at > now() - interval '1 day'"`,
		New: func(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
			url := f.String("url", "", "`URL` of the database; DATABASE_URL where it is not given")
			var o backfillOptions
			f.StringVar(&o.table, "table", "", "backfill: `table` whose rows are sent again, as in gateway sql")
			f.StringVar(&o.where, "where", "", "backfill: SQL `condition` of the rows; all of them where it is not given")
			f.StringVar(&o.after, "after", "", "backfill: `key` that the rows follow, as the command has printed it")
			owners := f.String("owners", "", "backfill: `roles`, with commas, beside that of the URL and superusers, whose tables are read, as the option owners")
			return func(ctx context.Context, in plugin.Invocation) error {
				if *owners != "" {
					o.owners = strings.Split(*owners, ",")
				}
				return runCommand(ctx, in, *url, o)
			}
		},
	}
}

func runCommand(ctx context.Context, in plugin.Invocation, raw string, o backfillOptions) error {
	inTx := func(do func(context.Context, plugin.Invocation, pgx.Tx, bool) error) func(*pgx.Conn) error {
		return func(conn *pgx.Conn) error {
			installed, err := outboxVersion(ctx, conn)
			if err != nil {
				return err
			}
			return pgconn.InTx(ctx, conn, func(tx pgx.Tx) error { return do(ctx, in, tx, installed.Version >= boundVersion) })
		}
	}
	var do func(*pgx.Conn) error
	isBackfill := len(in.Args) == 1 && in.Args[0] == "backfill"
	switch {
	case !isBackfill && (o.table != "" || o.where != "" || o.after != "" || o.owners != nil):
		return errors.New("--table, --where, --after and --owners are for gateway outbox backfill")
	case len(in.Args) == 1 && in.Args[0] == "list":
		do = inTx(listReaders)
	case len(in.Args) == 2 && in.Args[0] == "drop":
		do = inTx(dropReader)
	case isBackfill && o.table == "":
		return errors.New("--table is required: gateway outbox backfill --table orders")
	case isBackfill:
		do = func(conn *pgx.Conn) error { return runBackfill(ctx, conn, o, in.Out) }
	default:
		return errors.New("write gateway outbox list, gateway outbox drop NAME, or gateway outbox backfill --table TABLE")
	}
	conn, url, err := pgtrigger.Connect(ctx, in, raw, "outbox")
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	if err := do(conn); err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	return nil
}

// readersSQL finds of each reader how many changes it has not delivered, and the age of the oldest and of its cursor in seconds, and
// whether it is detached.
const readersSQL = `SELECT r.name, n.rows, coalesce(extract(epoch FROM clock_timestamp() - n.oldest), 0)::float8,
	coalesce(extract(epoch FROM clock_timestamp() - r.saved), -1)::float8, coalesce((SELECT string_agg(t, ', ' ORDER BY t) FROM json_array_elements_text(r.snapshot->'reads') t), 'all'), %s
	FROM gateway.outbox_reader r CROSS JOIN LATERAL (
		SELECT count(*) AS rows, min(o.at) AS oldest FROM gateway.outbox o WHERE (o.id > r.hi OR o.id <@ r.gaps)
			AND (r.snapshot->'reads' IS NULL OR o.tbl IN (SELECT json_array_elements_text(r.snapshot->'reads')))) n ORDER BY r.name`

func listReaders(ctx context.Context, in plugin.Invocation, tx pgx.Tx, bounds bool) error {
	detached := "false"
	if bounds {
		detached = "NOT " + notDetachedSQL
	}
	w := tabwriter.NewWriter(in.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "READER\tUNDELIVERED\tOLDEST\tCURSOR STORED\tTABLES")
	rows, err := tx.Query(ctx, fmt.Sprintf(readersSQL, detached))
	if err != nil {
		return err
	}
	var name, tables string
	var n int64
	var oldest, saved float64
	var isDetached bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &n, &oldest, &saved, &tables, &isDetached}, func() error {
		age, stored := "-", "never"
		if n > 0 {
			age = formatSeconds(oldest)
		}
		if saved >= 0 {
			stored = formatSeconds(saved) + " ago"
		}
		if isDetached {
			name += " (detached)"
		}
		_, err := fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", name, n, age, stored, tables)
		return err
	}); err != nil {
		return err
	}
	var all int64
	var size string
	if err := tx.QueryRow(ctx, "SELECT count(*), pg_size_pretty(pg_total_relation_size('gateway.outbox')) FROM gateway.outbox").Scan(&all, &size); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(in.Out, "the outbox has %d changes, and takes %s\n", all, size)
	return err
}

func dropReader(ctx context.Context, in plugin.Invocation, tx pgx.Tx, bounds bool) error {
	tag, err := tx.Exec(ctx, "DELETE FROM gateway.outbox_reader WHERE name = $1", in.Args[1])
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("there is no reader %q: gateway outbox list shows all", in.Args[1])
	}
	if bounds {
		if _, err := tx.Exec(ctx, "DELETE FROM gateway.outbox_detached WHERE name = $1", in.Args[1]); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(in.Out, "the reader %s is removed\n", in.Args[1])
	return err
}
