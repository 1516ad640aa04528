package pgtrigger

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// Command is `gateway sql`.
func Command() plugin.Command {
	return plugin.Command{
		Name:    "sql",
		Summary: "Print the SQL that captures the changes of tables",
		Help: `Prints SQL for triggers that capture each change of a table's rows.

--mode notify notifies {"operation": ..., "order": row} for the source
postgres-notify. Unlike a plain pg_notify of the row, it cannot fail the write that
it follows: a row over the 7,999 bytes of NOTIFY is sent as its key, and the source
fetches it.

--mode outbox writes each change into the table gateway.outbox, in the transaction
that makes it, for the source postgres-outbox: nothing is lost, whatever fails.

With --apply the SQL is carried out at --url, or at DATABASE_URL, in one transaction.`,
		Example: `  gateway sql --table orders | psql "$DATABASE_URL"
  gateway sql --table 'shop."Order Items"' --channel items_channel --apply
  gateway sql --mode outbox --table orders --table customers --apply
  gateway sql --table orders --drop --apply`,
		New: newCommand,
	}
}

// tables is a flag that may be given several times.
type tables []Table

func (t *tables) String() string { return "" }

// Set is part of [flag.Value].
func (t *tables) Set(text string) error {
	one, err := ParseTable(text)
	*t = append(*t, one)
	return err
}

func newCommand(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
	var names tables
	f.Var(&names, "table", "`table` to watch: orders, shop.orders, or with quotes \"Shop\".\"Orders\"; may be given several times")
	mode := f.String("mode", "notify", "notify or outbox")
	channel := f.String("channel", "orders_channel", "`channel` to notify")
	field := f.String("field", "order", "`field` of a notification that holds the row")
	drop := f.Bool("drop", false, "remove the triggers")
	apply := f.Bool("apply", false, "carry the SQL out")
	url := f.String("url", "", "`URL` of the database for --apply; DATABASE_URL where it is not given")
	return func(ctx context.Context, in plugin.Invocation) error {
		if len(names) == 0 {
			return errors.New("--table is required: gateway sql --table orders")
		}
		if n := len(*channel); n == 0 || n > maxName {
			return fmt.Errorf("--channel: a channel name has 1 to %d bytes", maxName)
		}
		sql, err := statements(*mode, names, *channel, *field, *drop)
		if err != nil {
			return err
		}
		if !*apply {
			_, err := fmt.Fprint(in.Out, sql)
			return err
		}
		return applySQL(ctx, in, *url, sql)
	}
}

// statements returns the SQL that makes or drops the triggers of tables.
func statements(mode string, names []Table, channel, field string, drop bool) (sql string, err error) {
	switch mode {
	case "notify":
		for _, t := range names {
			n := Notify{Table: t, Channel: channel, Field: field}
			if drop {
				sql += n.DropSQL()
			} else {
				sql += n.CreateSQL()
			}
		}
		return sql, nil
	case "outbox":
		if drop {
			return Outbox{names}.DropSQL(), nil
		}
		return Outbox{names}.CreateSQL(), nil
	}
	return "", errors.New("--mode: " + options.Unknown(fmt.Sprintf("mode %q", mode), mode, []string{"notify", "outbox"}))
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
	var url options.URL
	if err := url.UnmarshalText([]byte(raw)); err != nil {
		return fmt.Errorf("the URL of the database %w", err)
	}
	config, err := pgconn.Config(url, "sql")
	if err != nil {
		return fmt.Errorf("the URL of the database %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", url, options.NewRedactor(url, config.Password).Error(pgconn.Reason(err)))
	}
	defer pgconn.Close(conn)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	_, err = fmt.Fprintf(in.Out, "done at %s\n", url)
	return err
}
