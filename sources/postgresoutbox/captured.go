package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// fires is the condition of a trigger t that captures a table: it fires for users,
// and the trigger that makes the row into JSON before it does (since version 2 of the SQL).
const fires = `t.tgname = '!gateway_outbox' AND t.tgenabled IN ('O', 'A')
	AND (EXISTS (SELECT FROM pg_trigger r WHERE r.tgrelid = t.tgrelid AND r.tgname = '!gateway_json' AND r.tgenabled IN ('O', 'A'))
		OR NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'gateway' AND p.proname = 'outbox_row'))`

// captures is the condition of a trigger t that fires, and writes under the table's present name.
const captures = fires + ` AND ` + writesName

// writes is the name under which a trigger t writes changes.
const writes = `convert_from(substring(t.tgargs FROM 1 FOR position(decode('00', 'hex') IN t.tgargs) - 1), getdatabaseencoding())`

// tableName is the name of a table c in a schema n, as rows of the outbox have it.
var tableName = pgtrigger.NameOf("n.nspname", "c.relname")

// writesName is the condition of a trigger t that writes changes under the name of a table.
const writesName = `substring(t.tgargs FROM 1 FOR octet_length(convert_to(name, getdatabaseencoding())) + 1) = convert_to(name, getdatabaseencoding()) || decode('00', 'hex')`

// tablesCaptured finds how the tables $1 are captured, and, where $2 is set, all that have a trigger. The reader is $3.
var tablesCaptured = `SELECT name, c.oid IS NULL AS missing, coalesce(c.relispartition, false) AS partition,
	EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND ` + captures + `) AS fires,
	coalesce((SELECT ` + writes + ` FROM pg_trigger t WHERE t.tgrelid = c.oid AND ` + fires + `), '') AS under,
	EXISTS (SELECT FROM gateway.outbox_reader r CROSS JOIN LATERAL json_array_elements_text(r.snapshot->'reads') had WHERE r.name = $3 AND had = names.name) AS had,
	EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname IN ('!gateway_json', '!gateway_outbox') AND t.tgenabled NOT IN ('O', 'A')) AS disabled,
	coalesce((SELECT min(t.tgrelid::regclass::text) FROM pg_trigger t WHERE c.oid IS NULL AND t.tgparentid = 0 AND ` + captures + `), '') AS renamed,
	coalesce((SELECT min(d.relid::text) FROM pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) d WHERE d.isleaf AND
		EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = d.relid AND t.tgname IN ('!gateway_json', '!gateway_outbox') AND t.tgenabled NOT IN ('O', 'A'))), '') AS part,
	EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = '!gateway_outbox' AND t.tgenabled = 'O') AND (
		current_setting('session_replication_role') = 'replica' OR EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid) OR
		EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND 'session_replication_role=replica' = ANY (s.setconfig))) AS passed,
	coalesce((SELECT string_agg(t.oid || ' ' || t.xmin, ',' ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname IN ('!gateway_json', '!gateway_outbox')), '') AS mark
	FROM (SELECT unnest($1::text[]) UNION SELECT ` + writes + ` FROM pg_trigger t WHERE t.tgname = '!gateway_outbox' AND t.tgparentid = 0 AND t.tgnargs > 0 AND $2) AS names(name)
	LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON ` + tableName + ` = name ORDER BY 1`

// captured is how a table is captured.
type captured struct {
	Name      string
	Missing   bool   // there is no such table
	Partition bool   // it is a partition
	Fires     bool   // its trigger captures
	Under     string // the name under which its trigger writes; "": it does not fire
	Had       bool   // the reader has had it before
	Disabled  bool   // one of its triggers does not fire
	Renamed   string // the table whose trigger writes its name, where it is missing
	Part      string // a partition of it whose trigger is disabled
	Passed    bool   // some sessions write without firing the trigger
	Mark      string // another one where a trigger was changed
}

const enable = `ALTER TABLE %s ENABLE TRIGGER "!gateway_json", ENABLE TRIGGER "!gateway_outbox"`

// problem returns why changes of the table do not come, and what mends it, or "".
func (c captured) problem() string { return joined(c.wrong()) }

// warning returns what is to be mended of a table that is captured, or "".
func (c captured) warning() string { return joined(c.part()) }

func joined(what, fix string) string {
	if what == "" {
		return ""
	}
	return what + ": " + fix
}

// wrong returns why changes of the table do not come, and what mends it.
func (c captured) wrong() (what, fix string) {
	switch {
	case c.Renamed != "":
		return "", ""
	case c.Missing:
		return "there is no table " + c.Name, "correct tables; where it was renamed, take the old name from tables when what it has left in the outbox has come"
	case c.Partition:
		return c.Name + " is a partition", "write the table that it is a part of"
	case c.Disabled:
		return fmt.Sprintf("nothing captures the changes of %s: its trigger is disabled", c.Name), fmt.Sprintf(enable, pgtrigger.SQLName(c.Name))
	case !c.Fires:
		return fmt.Sprintf("nothing captures the changes of %s: its trigger is not there, or was made before the table was renamed", c.Name),
			fmt.Sprintf("gateway sql --mode outbox --table %s --apply", pgtrigger.Arg(pgtrigger.SQLName(c.Name)))
	case c.Part != "":
		return fmt.Sprintf("nothing captures the changes of %s, a partition of %s: its trigger is disabled", c.Part, c.Name), fmt.Sprintf(enable, c.Part)
	}
	return "", ""
}

// part returns which changes of a table that is captured do not come, or not under its name,
// and what mends it.
func (c captured) part() (what, fix string) {
	switch {
	case c.Renamed != "":
		return fmt.Sprintf("the table %s is called %s now, and its changes have the old name", c.Name, c.Renamed),
			fmt.Sprintf("gateway sql --mode outbox --table %s --apply, and the new name beside the old one in tables", pgtrigger.Arg(c.Renamed))
	case c.Passed:
		return fmt.Sprintf("what a subscription or a session with session_replication_role = replica writes to %s is not captured", c.Name),
			fmt.Sprintf(`ALTER TABLE %s ENABLE ALWAYS TRIGGER "!gateway_json", ENABLE ALWAYS TRIGGER "!gateway_outbox"`, pgtrigger.SQLName(c.Name))
	}
	return "", ""
}

// lookAtTriggers returns how the tables are captured.
func (r *reader) lookAtTriggers(ctx context.Context) ([]captured, error) {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	names, all := slices.Sorted(maps.Keys(r.s.tables)), len(r.s.tables) == 0
	if all {
		names = slices.Sorted(maps.Keys(r.s.captured)) // those that have lost theirs
	}
	return r.s.lookAtTables(ctx, r.conn, names, all)
}

// lookAtTables returns how the tables called names are captured, and with all also every other
// table that has the trigger. One whose trigger writes under an old name that the reader has, too, is captured.
func (s *source) lookAtTables(ctx context.Context, conn *pgx.Conn, names []string, all bool) ([]captured, error) {
	rows, err := conn.Query(ctx, tablesCaptured, names, all, s.opts.Name)
	if err == nil {
		var found []captured
		if found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[captured]); err == nil {
			for i := range found {
				found[i].Fires = found[i].Fires || s.tables[found[i].Under]
			}
			return found, nil
		}
	}
	return nil, fmt.Errorf("cannot see which tables have a trigger: %w", err)
}

// capturesAll returns an error where a table is not captured and the reader has not seen
// it otherwise: then the configuration is wrong.
func (r *reader) capturesAll(ctx context.Context, out plugin.Output) error {
	found, err := r.lookAtTriggers(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, c := range found {
		_, known := r.s.captured[c.Name]
		if p := c.problem(); p != "" && !known && !(c.Missing && c.Had) && len(r.s.tables) > 0 {
			problems = append(problems, errors.New(p))
		}
	}
	if len(problems) == 0 {
		r.watchTriggers(out, found)
	}
	return errors.Join(problems...)
}

// watchTriggers compares how the tables are captured with how they were. What stops to be
// captured, and what is captured again, is a gap; the other tables go on.
func (r *reader) watchTriggers(out plugin.Output, found []captured) {
	for _, c := range found {
		before, known := r.s.captured[c.Name]
		problem, was, gap := c.problem(), before.problem(), ""
		switch {
		case problem != "" && (!known || was == ""):
			gap = problem
			out.ReportError(errors.New(problem))
		case problem == "" && known && was != "":
			gap = "the changes of " + c.Name + " are captured again: those before are missing"
		case problem == "" && known && c.Mark != before.Mark && c.Renamed == "" && before.Renamed == "":
			gap = "the trigger of " + c.Name + " was made anew, or disabled for a while: changes may be missing"
		}
		if w := c.warning(); w != "" && (!known || w != before.warning()) {
			out.ReportError(errors.New(w))
			r.s.log.Warn("table is not captured as a whole", "table", c.Name, "problem", w)
		}
		if gap != "" && !(len(r.s.tables) == 0 && !known && strings.HasPrefix(gap, "there is no")) {
			out.Gap(gap)
		}
		r.s.captured[c.Name] = c
	}
}
