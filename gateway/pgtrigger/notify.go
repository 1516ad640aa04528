package pgtrigger

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed notify.sql
var notifyFunction string

// Notify describes a trigger that notifies the changes of a table's rows, in
// the wire format of the order pipeline.
type Notify struct {
	Table   Table
	Channel string
	Field   string // that holds the row beside "operation"
}

// notifyName is the name, quoted, of the function that the triggers of a schema call.
func notifyName(schema string) string { return pgx.Identifier{schema, "gateway_notify"}.Sanitize() }

// functionSQL returns the statements that make this function, or make it anew. They fail where
// another role owns it: that role could change later what runs with the rights of all writers.
func functionSQL(schema string) string {
	name := notifyName(schema)
	check := doSQL(fmt.Sprintf(`DECLARE
  its_owner text;
BEGIN
  SELECT pg_catalog.pg_get_userbyid(p.proowner) INTO its_owner FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) %[1]s AND p.proname OPERATOR(pg_catalog.=) 'gateway_notify' AND p.pronargs OPERATOR(pg_catalog.=) 0 AND pg_catalog.pg_get_userbyid(p.proowner) OPERATOR(pg_catalog.<>) current_user;
  IF FOUND THEN
    RAISE EXCEPTION 'the function %% belongs to the role "%%", and not to "%%"', %[2]s, its_owner, current_user
      USING HINT = 'Carry this out as that role (SET ROLE), or, where it should not have the function, drop it first.';
  END IF;
END`, literal(schema), literal(name)))
	return check + strings.ReplaceAll(expand(notifyFunction), "FUNCTION_NAME", name)
}

// CreateSQL returns the statements that make the trigger, or make it anew.
func (t Notify) CreateSQL() string {
	function := notifyName(t.Table.Schema)
	table := t.Table.String()
	return functionSQL(t.Table.Schema) + partitionCheckSQL(t.Table) + fmt.Sprintf(`
DROP TRIGGER IF EXISTS gateway_notify ON %[1]s;
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE ON %[1]s
  FOR EACH ROW EXECUTE FUNCTION %[2]s(%[3]s, %[4]s);
`, table, function, literal(t.Channel), literal(t.Field))
}

// DropSQL returns the statements that remove the trigger, and its function where
// no other table of the schema uses it.
func (t Notify) DropSQL() string {
	function := notifyName(t.Table.Schema)
	return partitionCheckSQL(t.Table) + fmt.Sprintf("DROP TRIGGER IF EXISTS gateway_notify ON %s;\n", t.Table) + doSQL(fmt.Sprintf(`BEGIN
  DROP FUNCTION IF EXISTS %s();
EXCEPTION WHEN dependent_objects_still_exist THEN NULL; -- another table uses it
END`, function))
}
