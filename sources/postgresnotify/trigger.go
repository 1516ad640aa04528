package postgresnotify

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed trigger.sql
var triggerFunction string

// Trigger describes a trigger that notifies the changes of a table's rows, in
// the wire format of the order pipeline.
type Trigger struct {
	Schema, Table string // as they are in the catalog, not quoted
	Channel       string
	Field         string // that holds the row beside "operation"
}

// ParseTable splits a table's name as users write it: orders, shop.orders, or
// with quotes "Shop"."Order Items".
func ParseTable(text string) (schema, table string, err error) {
	var parts []string
	for rest := text; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			end := closingQuote(rest)
			if end < 0 {
				return "", "", fmt.Errorf("table %s: a quote is not closed", text)
			}
			part, rest = strings.ReplaceAll(rest[1:end], `""`, `"`), rest[end+1:]
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			part, rest = strings.ToLower(rest[:end]), rest[end:]
			if strings.ContainsAny(part, " \t\n\"';()") {
				return "", "", fmt.Errorf("table %s: put a name with special characters in double quotes", text)
			}
		}
		if part == "" || len(part) > maxChannel {
			return "", "", fmt.Errorf("table %s: a name has 1 to %d bytes", text, maxChannel)
		}
		parts = append(parts, part)
		if rest == "" {
			break
		}
		if rest[0] != '.' {
			return "", "", fmt.Errorf("table %s: a dot must follow a quoted schema", text)
		}
		rest = rest[1:]
	}
	switch len(parts) {
	case 1:
		return "public", parts[0], nil
	case 2:
		return parts[0], parts[1], nil
	}
	return "", "", errors.New("table " + text + ": write TABLE or SCHEMA.TABLE")
}

// closingQuote returns where the quoted name that text begins with ends.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return i
	}
	return -1
}

// CreateSQL returns the statements that make the trigger, or make it anew.
func (t Trigger) CreateSQL() string {
	function := pgx.Identifier{t.Schema, "gateway_notify"}.Sanitize()
	table := pgx.Identifier{t.Schema, t.Table}.Sanitize()
	return strings.ReplaceAll(triggerFunction, "FUNCTION_NAME", function) + fmt.Sprintf(`
DROP TRIGGER IF EXISTS gateway_notify ON %[1]s;
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE ON %[1]s
  FOR EACH ROW EXECUTE FUNCTION %[2]s(%[3]s, %[4]s);
`, table, function, literal(t.Channel), literal(t.Field))
}

// DropSQL returns the statements that remove the trigger, and its function where
// no other table of the schema uses it.
func (t Trigger) DropSQL() string {
	function := pgx.Identifier{t.Schema, "gateway_notify"}.Sanitize()
	return fmt.Sprintf(`DROP TRIGGER IF EXISTS gateway_notify ON %s;
DO $gateway$ BEGIN
  DROP FUNCTION IF EXISTS %s();
EXCEPTION WHEN dependent_objects_still_exist THEN NULL; -- another table uses it
END $gateway$;
`, pgx.Identifier{t.Schema, t.Table}.Sanitize(), function)
}

// literal quotes text as an SQL string.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
