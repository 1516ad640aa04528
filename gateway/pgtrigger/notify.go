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

// functionSQL returns the statements that make this function, or make it anew.
func functionSQL(schema string) string {
	return withVersion(strings.ReplaceAll(notifyFunction, "FUNCTION_NAME", notifyName(schema)))
}

// CreateSQL returns the statements that make the trigger, or make it anew.
func (t Notify) CreateSQL() string {
	function := notifyName(t.Table.Schema)
	table := t.Table.String()
	return functionSQL(t.Table.Schema) + fmt.Sprintf(`
DROP TRIGGER IF EXISTS gateway_notify ON %[1]s;
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE ON %[1]s
  FOR EACH ROW EXECUTE FUNCTION %[2]s(%[3]s, %[4]s);
`, table, function, literal(t.Channel), literal(t.Field))
}

// DropSQL returns the statements that remove the trigger, and its function where
// no other table of the schema uses it.
func (t Notify) DropSQL() string {
	function := notifyName(t.Table.Schema)
	return fmt.Sprintf(`DROP TRIGGER IF EXISTS gateway_notify ON %s;
DO $gateway$ BEGIN
  DROP FUNCTION IF EXISTS %s();
EXCEPTION WHEN dependent_objects_still_exist THEN NULL; -- another table uses it
END $gateway$;
`, t.Table.String(), function)
}
