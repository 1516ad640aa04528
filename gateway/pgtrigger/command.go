package pgtrigger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"eventgateway/gateway/options"
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

--mode wal makes no trigger: it publishes the tables for the source postgres-wal,
which reads the write-ahead log. The server must have wal_level=logical. The source
makes its replication slot when it first starts. With --slot it is made here, and
keeps WAL until the source reads it.

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
  gateway sql --mode wal --table orders --apply
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

// request holds the flags.
type request struct {
	tables                       tables
	mode, channel, field         string
	publication, slot, identity  string
	role, url                    string
	drop, apply, migrate, status bool
}

func newCommand(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
	var r request
	f.Var(&r.tables, "table", "`table` to watch: orders, shop.orders, or with quotes \"Shop\".\"Orders\"; may be given several times")
	f.StringVar(&r.mode, "mode", "notify", "notify, outbox, wal, or leader")
	f.StringVar(&r.channel, "channel", "orders_channel", "`channel` to notify")
	f.StringVar(&r.field, "field", "order", "`field` of a notification that holds the row")
	f.StringVar(&r.publication, "publication", "gateway", "mode wal: `publication` to add the tables to")
	f.StringVar(&r.slot, "slot", "", "mode wal: make this replication `slot`, too")
	f.StringVar(&r.identity, "identity", "full", "mode wal: full, or default: without the old row")
	f.StringVar(&r.role, "role", "", "make this `role`, with the least rights that a source needs")
	f.BoolVar(&r.drop, "drop", false, "remove the triggers; mode wal: remove the tables from the publication")
	f.BoolVar(&r.migrate, "migrate", false, "bring SQL of an older version up to date")
	f.BoolVar(&r.status, "status", false, "list what is installed")
	f.BoolVar(&r.apply, "apply", false, "carry the SQL out")
	f.StringVar(&r.url, "url", "", "`URL` of the database; DATABASE_URL where it is not given")
	return func(ctx context.Context, in plugin.Invocation) error {
		if err := r.check(); err != nil {
			return err
		}
		if r.status || r.migrate {
			return r.runAtDatabase(ctx, in)
		}
		sql, after, err := r.statements()
		if err != nil {
			return err
		}
		if !r.apply {
			return PrintSQL(in, sql, after)
		}
		return ApplySQL(ctx, in, r.url, sql, after)
	}
}

// PrintSQL prints statements that must be one transaction, as psql reads them, and then those of after.
func PrintSQL(in plugin.Invocation, sql, after string) error {
	_, err := fmt.Fprint(in.Out, scriptSQL(sql)+after)
	return err
}

// scriptSQL returns statements as psql reads them. Names are UTF-8, whatever psql takes its input for.
func scriptSQL(sql string) string {
	begin := "BEGIN;\n"
	if strings.ContainsFunc(sql, func(r rune) bool { return r > unicode.MaxASCII }) {
		begin += "SET LOCAL client_encoding = 'UTF8';\n"
	}
	return begin + sql + "COMMIT;\n"
}

// check returns an error for flags that cannot be combined.
func (r request) check() error {
	requests := 0
	for _, one := range []bool{r.drop, r.migrate, r.status, r.role != ""} {
		if one {
			requests++
		}
	}
	switch {
	case requests > 1:
		return errors.New("--drop, --migrate, --status and --role are different requests: give one of them")
	case r.status && r.apply:
		return errors.New("--status changes nothing: leave --apply out")
	case r.drop && r.mode == "leader":
		return errors.New("--drop removes triggers, and the mode leader has none: DROP TABLE gateway.leader removes the table")
	case r.mode != "wal" && r.slot != "":
		return errors.New("--slot is for --mode wal")
	case r.slot != "" && requests > 0:
		return errors.New("--slot makes a slot: leave it out, and see gateway wal list, gateway wal drop SLOT")
	case r.slot != "" && !slotName.MatchString(r.slot):
		return fmt.Errorf("--slot: a slot's name has 1 to %d of the characters a-z, 0-9 and _", maxName)
	case (r.status || r.migrate) && len(r.tables) > 0:
		return errors.New("--status and --migrate are for all tables: leave --table out")
	}
	return nil
}

func unknownMode(mode string) error {
	return errors.New("--mode: " + options.UnknownName(fmt.Sprintf("mode %q", mode), mode, []string{"notify", "outbox", "wal", "leader"}))
}

// slotName is the pattern of names that PostgreSQL accepts.
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// statements returns the SQL that the flags ask for. after is a statement that must follow the transaction of the others,
// or "".
func (r request) statements() (sql, after string, err error) {
	if n := len(r.channel); n == 0 || n > maxName {
		return "", "", fmt.Errorf("--channel: a channel name has 1 to %d bytes", maxName)
	}
	if r.role != "" {
		sql, err = RoleSQL(r.mode, r.role, r.tables)
		return sql, "", err
	}
	if len(r.tables) == 0 && r.mode != "leader" {
		return "", "", errors.New("--table is required: gateway sql --table orders")
	}
	switch r.mode {
	case "notify":
		sql = lockTimeoutSQL
		for _, t := range r.tables {
			n := Notify{Table: t, Channel: r.channel, Field: r.field}
			if r.drop {
				sql += n.DropSQL()
			} else {
				sql += n.CreateSQL()
			}
		}
		return sql, "", nil
	case "outbox":
		if r.drop {
			return lockTimeoutSQL + Outbox{r.tables}.DropSQL(), "", nil
		}
		return Outbox{r.tables}.CreateSQL(), "", nil
	case "wal":
		return r.walStatements()
	case "leader":
		return LeaderSQL(), "", nil
	}
	return "", "", unknownMode(r.mode)
}

// walStatements is statements in the mode wal.
func (r request) walStatements() (sql, after string, err error) {
	if n := len(r.publication); n == 0 || n > maxName {
		return "", "", fmt.Errorf("--publication: a name has 1 to %d bytes", maxName)
	}
	if identities := []string{"full", "default"}; !slices.Contains(identities, r.identity) {
		return "", "", errors.New("--identity: " + options.UnknownName(fmt.Sprintf("identity %q", r.identity), r.identity, identities))
	}
	w := WAL{Tables: r.tables, Publication: r.publication, KeyIdentity: r.identity == "default"}
	if r.drop {
		return w.DropSQL(), "", nil
	}
	if r.slot != "" {
		after = SlotSQL(r.slot)
	}
	return w.CreateSQL(), after, nil
}
