package pgtrigger

import (
	_ "embed"
	"fmt"
	"strings"
)

var (
	//go:embed outbox.sql
	outboxSQL string
	//go:embed upgrade.sql
	upgradeSQL string
	//go:embed owner.sql
	ownerSQL string
	//go:embed lease.sql
	leaseSQL string
	//go:embed bound.sql
	boundSQL string
	//go:embed trace.sql
	traceSQL string
)

// Outbox describes the triggers that write the changes of tables into an outbox.
type Outbox struct{ Tables []Table }

// The triggers' names sort before those of users: where a user's trigger changes the row
// again, that change must follow the first one. The row's trigger comes before the others.
const (
	rowTrigger      = `"!gateway_json"`
	outboxTrigger   = `"!gateway_outbox"`
	truncateTrigger = `"!gateway_outbox_truncate"`
)

// CreateSQL returns the statements that make the outbox, the table of leaders, and the
// triggers of the tables. They bring what an earlier [Version] has made up to date, and
// change nothing when they are carried out again. They fail where another role owns the
// schema gateway or a part of it. They must be carried out in one transaction.
func (o Outbox) CreateSQL() string {
	var b strings.Builder
	sql := strings.Replace(expand(outboxSQL), "OWNER_CHECK\n", ownerSQL, 1)
	b.WriteString(strings.Replace(sql, "OWNER_CHECK\n", leaseSQL+boundSQL+ownerSQL, 1))
	upgrade := expand(upgradeSQL)
	if len(o.Tables) > 0 {
		b.WriteString(upgrade) // before a trigger is made anew: it says under which name changes wait
	}
	for _, t := range o.Tables {
		b.WriteString("\n" + doSQL("BEGIN\n"+tableCheckSQL(t)+fmt.Sprintf(`  PERFORM FROM pg_trigger WHERE tgrelid = to_regclass(%[2]s) AND tgname = '!gateway_outbox'
    AND position(convert_to(%[3]s, getdatabaseencoding()) || decode('00', 'hex') IN tgargs) = 1;
  IF NOT FOUND THEN -- its other triggers follow below
    CREATE OR REPLACE TRIGGER %[4]s AFTER INSERT OR UPDATE OR DELETE ON %[1]s
      FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture(%[3]s);
  END IF;
END`, t, literal(t.String()), literal(t.Qualified()), outboxTrigger)))
	}
	b.WriteString(upgrade)
	b.WriteString(traceSQL)
	return b.String()
}

// DropSQL returns the statements that remove the triggers. The outbox stays, with the
// changes that were not delivered yet.
func (o Outbox) DropSQL() string {
	var b strings.Builder
	for _, t := range o.Tables {
		for _, trigger := range []string{rowTrigger, outboxTrigger, truncateTrigger} {
			fmt.Fprintf(&b, "DROP TRIGGER IF EXISTS %s ON %s;\n", trigger, t)
		}
	}
	return b.String()
}

// LeaderSQL returns the statements that make the table of leaders, for a database that has
// no outbox. They must be carried out in one transaction.
func LeaderSQL() string {
	return "SET LOCAL search_path = pg_catalog, pg_temp;\nCREATE SCHEMA IF NOT EXISTS gateway;\n" + leaseSQL + ownerSQL
}
