package postgresoutbox

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
		Summary: "List the readers of an outbox, or remove one",
		Help: `list shows each reader of the outbox at --url, or at DATABASE_URL: how many changes
it has not delivered, the oldest of them, and when it stored its cursor last.

drop NAME removes a reader that is gone for good: what only it has not delivered is
deleted by the others, or with the next one. A reader of this name that starts later,
or that still runs, begins with what is in the outbox then.`,
		Example: `  gateway outbox list
  gateway outbox drop old_warehouse`,
		New: func(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
			url := f.String("url", "", "`URL` of the database; DATABASE_URL where it is not given")
			return func(ctx context.Context, in plugin.Invocation) error { return runCommand(ctx, in, *url) }
		},
	}
}

func runCommand(ctx context.Context, in plugin.Invocation, raw string) error {
	var do func(context.Context, plugin.Invocation, pgx.Tx) error
	switch {
	case len(in.Args) == 1 && in.Args[0] == "list":
		do = listReaders
	case len(in.Args) == 2 && in.Args[0] == "drop":
		do = dropReader
	default:
		return errors.New("write gateway outbox list, or gateway outbox drop NAME")
	}
	conn, url, err := pgtrigger.Connect(ctx, in, raw, "outbox")
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	if _, err = outboxVersion(ctx, conn); err == nil {
		err = pgconn.InTx(ctx, conn, func(tx pgx.Tx) error { return do(ctx, in, tx) })
	}
	if err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	return nil
}

// readers has of each reader how many changes it has not delivered, and the age of the oldest and of its cursor in seconds.
const readersSQL = `SELECT r.name, n.rows, coalesce(extract(epoch FROM clock_timestamp() - n.oldest), 0)::float8,
	coalesce(extract(epoch FROM clock_timestamp() - r.saved), -1)::float8, coalesce((SELECT string_agg(t, ', ' ORDER BY t) FROM json_array_elements_text(r.snapshot->'reads') t), 'all')
	FROM gateway.outbox_reader r CROSS JOIN LATERAL (
		SELECT count(*) AS rows, min(o.at) AS oldest FROM gateway.outbox o WHERE (o.id > r.hi OR o.id <@ r.gaps)
			AND (r.snapshot->'reads' IS NULL OR o.tbl IN (SELECT json_array_elements_text(r.snapshot->'reads')))) n ORDER BY r.name`

func listReaders(ctx context.Context, in plugin.Invocation, tx pgx.Tx) error {
	w := tabwriter.NewWriter(in.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "READER\tUNDELIVERED\tOLDEST\tCURSOR STORED\tTABLES")
	rows, err := tx.Query(ctx, readersSQL)
	if err != nil {
		return err
	}
	var name, tables string
	var n int64
	var oldest, saved float64
	if _, err := pgx.ForEachRow(rows, []any{&name, &n, &oldest, &saved, &tables}, func() error {
		age, stored := "-", "never"
		if n > 0 {
			age = formatSeconds(oldest)
		}
		if saved >= 0 {
			stored = formatSeconds(saved) + " ago"
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

func dropReader(ctx context.Context, in plugin.Invocation, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, "DELETE FROM gateway.outbox_reader WHERE name = $1", in.Args[1])
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("there is no reader %q: gateway outbox list shows all", in.Args[1])
	}
	_, err = fmt.Fprintf(in.Out, "the reader %s is removed\n", in.Args[1])
	return err
}
