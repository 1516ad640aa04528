package postgresnotify

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// sqlCommand is `gateway sql`.
func sqlCommand() plugin.Command {
	return plugin.Command{
		Name:    "sql",
		Summary: "Print the trigger that notifies the changes of a table",
		Help: `Prints SQL for a trigger that notifies each change of a table's rows, in the
format {"operation": ..., "order": row}. Unlike a plain pg_notify of the row, it
cannot fail the write that it follows: a row over the 7,999 bytes of NOTIFY is
sent as its key, and the source postgres-notify fetches it.

With --apply the SQL is carried out at --url, or at DATABASE_URL.`,
		Example: `  gateway sql --table orders | psql "$DATABASE_URL"
  gateway sql --table 'shop."Order Items"' --channel items_channel --apply
  gateway sql --table orders --drop --apply`,
		New: func(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
			table := f.String("table", "", "`table` to watch: orders, shop.orders, or with quotes \"Shop\".\"Orders\"")
			channel := f.String("channel", "orders_channel", "`channel` to notify")
			field := f.String("field", "order", "`field` that holds the row")
			drop := f.Bool("drop", false, "remove the trigger")
			apply := f.Bool("apply", false, "carry the SQL out")
			url := f.String("url", "", "`URL` of the database for --apply; DATABASE_URL where it is not given")
			return func(ctx context.Context, in plugin.Invocation) error {
				if *table == "" {
					return errors.New("--table is required: gateway sql --table orders")
				}
				schema, name, err := ParseTable(*table)
				if err != nil {
					return err
				}
				if n := len(*channel); n == 0 || n > maxChannel {
					return fmt.Errorf("--channel: a channel name has 1 to %d bytes", maxChannel)
				}
				t := Trigger{Schema: schema, Table: name, Channel: *channel, Field: *field}
				sql := t.CreateSQL()
				if *drop {
					sql = t.DropSQL()
				}
				if !*apply {
					_, err := fmt.Fprint(in.Out, sql)
					return err
				}
				return applySQL(ctx, in, *url, sql)
			}
		},
	}
}

func applySQL(ctx context.Context, in plugin.Invocation, raw, sql string) error {
	if raw == "" {
		value, set, err := in.Lookup("DATABASE_URL")
		if err != nil {
			return err
		}
		if !set || value == "" {
			return errors.New("--apply needs a database: give --url, or set DATABASE_URL")
		}
		raw = value
	}
	url := options.NewURL(raw)
	conn, err := pgx.Connect(ctx, raw)
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", url, reason(err))
	}
	defer closeConn(conn)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	_, err = fmt.Fprintf(in.Out, "done at %s\n", url)
	return err
}
