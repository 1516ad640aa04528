package pgtrigger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

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

--mode leader makes the table gateway.leader, in which sources with a leader keep
their lease: then only roles that may write it can lead. An outbox includes it.

--role NAME prints a role with the least rights that a source of the mode needs.
--status lists what of this a database has, and its version. --migrate prints the SQL
that brings an older version up to date.

With --apply the SQL is carried out at --url, or at DATABASE_URL, in one transaction.
The owner of the schema gateway must carry it out.`,
		Example: `  gateway sql --table orders | psql "$DATABASE_URL"
  gateway sql --table 'shop."Order Items"' --channel items_channel --apply
  gateway sql --mode outbox --table orders --table customers --apply
  gateway sql --mode outbox --table orders --role gateway --apply
  gateway sql --status
  gateway sql --migrate --apply
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

// request is what the flags ask for.
type request struct {
	tables                       tables
	mode, channel, field         string
	role, url                    string
	drop, apply, migrate, status bool
}

func newCommand(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
	var r request
	f.Var(&r.tables, "table", "`table` to watch: orders, shop.orders, or with quotes \"Shop\".\"Orders\"; may be given several times")
	f.StringVar(&r.mode, "mode", "notify", "notify, outbox, or leader")
	f.StringVar(&r.channel, "channel", "orders_channel", "`channel` to notify")
	f.StringVar(&r.field, "field", "order", "`field` of a notification that holds the row")
	f.StringVar(&r.role, "role", "", "make this `role`, with the least rights that a source needs")
	f.BoolVar(&r.drop, "drop", false, "remove the triggers")
	f.BoolVar(&r.migrate, "migrate", false, "bring SQL of an older version up to date")
	f.BoolVar(&r.status, "status", false, "list what is installed")
	f.BoolVar(&r.apply, "apply", false, "carry the SQL out")
	f.StringVar(&r.url, "url", "", "`URL` of the database; DATABASE_URL where it is not given")
	return func(ctx context.Context, in plugin.Invocation) error {
		if r.status || r.migrate {
			return r.atDatabase(ctx, in)
		}
		sql, err := r.statements()
		if err != nil {
			return err
		}
		if !r.apply {
			_, err := fmt.Fprint(in.Out, "BEGIN;\n"+sql+"COMMIT;\n")
			return err
		}
		conn, url, err := r.connect(ctx, in)
		if err != nil {
			return err
		}
		defer pgconn.Close(conn)
		return carryOut(ctx, in, conn, url, sql)
	}
}

func unknownMode(mode string) error {
	return errors.New("--mode: " + options.Unknown(fmt.Sprintf("mode %q", mode), mode, []string{"notify", "outbox", "leader"}))
}

// statements returns the SQL that the flags ask for.
func (r request) statements() (sql string, err error) {
	if n := len(r.channel); n == 0 || n > maxName {
		return "", fmt.Errorf("--channel: a channel name has 1 to %d bytes", maxName)
	}
	if r.role != "" {
		return RoleSQL(r.mode, r.role, r.tables)
	}
	if len(r.tables) == 0 && r.mode != "leader" {
		return "", errors.New("--table is required: gateway sql --table orders")
	}
	switch r.mode {
	case "notify":
		for _, t := range r.tables {
			n := Notify{Table: t, Channel: r.channel, Field: r.field}
			if r.drop {
				sql += n.DropSQL()
			} else {
				sql += n.CreateSQL()
			}
		}
		return sql, nil
	case "outbox":
		if r.drop {
			return Outbox{r.tables}.DropSQL(), nil
		}
		return Outbox{r.tables}.CreateSQL(), nil
	case "leader":
		return LeaderSQL(), nil
	}
	return "", unknownMode(r.mode)
}

// atDatabase lists what is installed, or brings it up to date.
func (r request) atDatabase(ctx context.Context, in plugin.Invocation) error {
	conn, url, err := r.connect(ctx, in)
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	found, err := FindInstalled(ctx, conn)
	if err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	if r.status {
		return printStatus(in, url, found)
	}
	sql, err := MigrateSQL(found)
	switch {
	case err != nil:
		return fmt.Errorf("at %s: %w", url, err)
	case sql == "":
		_, err = fmt.Fprintf(in.Out, "-- nothing to do at %s: everything is version %d\n", url, Version)
		return err
	case r.apply:
		return carryOut(ctx, in, conn, url, sql)
	}
	_, err = fmt.Fprint(in.Out, "BEGIN;\n"+sql+"COMMIT;\n")
	return err
}

func printStatus(in plugin.Invocation, url options.URL, found []Installed) error {
	if len(found) == 0 {
		_, err := fmt.Fprintf(in.Out, "nothing is installed at %s: gateway sql --table TABLE --apply\n", url)
		return err
	}
	w := tabwriter.NewWriter(in.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FUNCTION\tMODE\tVERSION\tOWNER\tTABLES")
	old := false
	for _, i := range found {
		version := fmt.Sprint(i.Version)
		if i.Older() {
			old, version = true, version+" (old)"
		} else if i.Version > Version {
			version += " (newer than this gateway)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.Function, i.Mode, version, i.Owner, strings.Join(i.Tables, ", "))
	}
	err := w.Flush()
	if old && err == nil {
		_, err = fmt.Fprintln(in.Out, "bring the old ones up to date: gateway sql --migrate --apply")
	}
	return err
}

// connect connects to --url, or to DATABASE_URL.
func (r request) connect(ctx context.Context, in plugin.Invocation) (*pgx.Conn, options.URL, error) {
	raw := r.url
	if raw == "" {
		value, set, err := in.Lookup("DATABASE_URL")
		if err != nil {
			return nil, options.URL{}, err
		}
		if !set || value == "" {
			return nil, options.URL{}, errors.New("this needs a database: give --url, or set DATABASE_URL")
		}
		raw = value
	}
	url := options.NewURL(raw)
	config, err := pgconn.Config(url, "sql")
	if err != nil {
		return nil, url, fmt.Errorf("the URL of the database %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, url, fmt.Errorf("cannot connect to %s: %w", url, pgconn.Reason(err))
	}
	return conn, url, nil
}

// carryOut executes statements in one transaction: that of a message with several statements.
func carryOut(ctx context.Context, in plugin.Invocation, conn *pgx.Conn, url options.URL, sql string) error {
	if _, err := conn.Exec(ctx, sql); err != nil {
		var hint string
		var said *pg.PgError
		if errors.As(err, &said) && said.Hint != "" {
			hint = ": " + said.Hint
		}
		return fmt.Errorf("at %s: %w%s", url, err, hint)
	}
	_, err := fmt.Fprintf(in.Out, "done at %s\n", url)
	return err
}
