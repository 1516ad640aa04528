package pgtrigger

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed outbox.sql
var outboxTables string

// Outbox describes the triggers that write the changes of tables into an outbox.
type Outbox struct{ Tables []Table }

// The triggers' names sort before those of users: where a user's trigger changes the row
// again, its change must come behind the first.
const (
	outboxTrigger   = `"!gateway_outbox"`
	truncateTrigger = `"!gateway_outbox_truncate"`
)

// CreateSQL returns the statements that make the outbox and its triggers. Carried out
// again they change nothing.
func (o Outbox) CreateSQL() string {
	var b strings.Builder
	b.WriteString(outboxTables)
	for _, t := range o.Tables {
		fmt.Fprintf(&b, `
DO $eventgateway_do$ BEGIN
  IF to_regclass(%[2]s) IS NULL THEN
    RAISE EXCEPTION 'there is no table %%', %[2]s;
  ELSIF (SELECT relispartition FROM pg_class WHERE oid = to_regclass(%[2]s)) THEN
    RAISE EXCEPTION '%% is a partition: write the table that it is a part of', %[2]s;
  ELSIF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(%[2]s) AND indisprimary) THEN
    RAISE EXCEPTION 'the table %% has no primary key: its rows could not be told apart', %[2]s
      USING HINT = 'ALTER TABLE ... ADD PRIMARY KEY (...)';
  END IF;
END $eventgateway_do$;
CREATE OR REPLACE TRIGGER %[3]s AFTER INSERT OR UPDATE OR DELETE ON %[1]s
  FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture(%[4]s);
CREATE OR REPLACE TRIGGER %[5]s AFTER TRUNCATE ON %[1]s
  FOR EACH STATEMENT EXECUTE FUNCTION gateway.outbox_capture(%[4]s);
`, t, literal(t.String()), outboxTrigger, literal(t.Schema+"."+t.Name), truncateTrigger)
	}
	return b.String()
}

// DropSQL returns the statements that remove the triggers. The outbox stays, with what
// was not delivered yet.
func (o Outbox) DropSQL() string {
	var b strings.Builder
	for _, t := range o.Tables {
		fmt.Fprintf(&b, "DROP TRIGGER IF EXISTS %s ON %s;\nDROP TRIGGER IF EXISTS %s ON %[2]s;\n", outboxTrigger, t, truncateTrigger)
	}
	return b.String()
}
