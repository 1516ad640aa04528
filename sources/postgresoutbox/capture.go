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

// firesSQL is the condition of a trigger t that captures a table. It fires for users, and so does
// the trigger before it that converts the row to JSON (since version 2 of the SQL).
const firesSQL = `t.tgname = '!gateway_outbox' AND t.tgenabled IN ('O', 'A')
	AND (EXISTS (SELECT FROM pg_trigger r WHERE r.tgrelid = t.tgrelid AND r.tgname = '!gateway_json' AND r.tgenabled IN ('O', 'A'))
		OR NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'gateway' AND p.proname = 'outbox_row'))`

// capturesSQL is the condition of a trigger t that fires, and writes under the table's present name.
const capturesSQL = firesSQL + ` AND ` + writesNameSQL

// writtenNameSQL is the name under which a trigger t writes changes.
const writtenNameSQL = `convert_from(substring(t.tgargs FROM 1 FOR position(decode('00', 'hex') IN t.tgargs) - 1), getdatabaseencoding())`

// tableNameSQL is the name of a table c in a schema n, as rows of the outbox have it.
var tableNameSQL = pgtrigger.QualifiedNameSQL("n.nspname", "c.relname")

// writesNameSQL is the condition of a trigger t that writes changes under the name of a table.
const writesNameSQL = `substring(t.tgargs FROM 1 FOR octet_length(convert_to(name, getdatabaseencoding())) + 1) = convert_to(name, getdatabaseencoding()) || decode('00', 'hex')`

// tableCapturesSQL finds how the tables $1 are captured. With $2 it adds all tables that have a trigger.
// The reader is $3.
var tableCapturesSQL = `SELECT name, c.oid IS NULL AS missing, coalesce(c.relispartition, false) AS partition,
	EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND ` + capturesSQL + `) AS fires,
	coalesce((SELECT ` + writtenNameSQL + ` FROM pg_trigger t WHERE t.tgrelid = c.oid AND ` + firesSQL + `), '') AS under,
	EXISTS (SELECT FROM gateway.outbox_reader r CROSS JOIN LATERAL json_array_elements_text(r.snapshot->'reads') had WHERE r.name = $3 AND had = names.name) AS had,
	EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname IN ('!gateway_json', '!gateway_outbox') AND t.tgenabled NOT IN ('O', 'A')) AS disabled,
	coalesce((SELECT min(t.tgrelid::regclass::text) FROM pg_trigger t WHERE c.oid IS NULL AND t.tgparentid = 0 AND ` + capturesSQL + `), '') AS renamed,
	coalesce((SELECT min(d.relid::text) FROM pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) d WHERE d.isleaf AND
		EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = d.relid AND t.tgname IN ('!gateway_json', '!gateway_outbox') AND t.tgenabled NOT IN ('O', 'A'))), '') AS part,
	EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = '!gateway_outbox' AND t.tgenabled = 'O') AND (
		current_setting('session_replication_role') = 'replica' OR EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid) OR
		EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND 'session_replication_role=replica' = ANY (s.setconfig))) AS passed,
	coalesce((SELECT string_agg(t.oid || ' ' || t.xmin, ',' ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname IN ('!gateway_json', '!gateway_outbox')), '') AS mark
	FROM (SELECT unnest($1::text[]) UNION SELECT ` + writtenNameSQL + ` FROM pg_trigger t WHERE t.tgname = '!gateway_outbox' AND t.tgparentid = 0 AND t.tgnargs > 0 AND $2) AS names(name)
	LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON ` + tableNameSQL + ` = name ORDER BY 1`

// tableCapture is how a table is captured.
type tableCapture struct {
	Name              string
	Missing           bool   // the table does not exist
	Partition         bool   // the table is a partition
	Fires             bool   // its trigger captures
	WritesAs          string // the name under which its trigger writes; "" if it does not fire
	ReadBefore        bool   // this reader has read the table before
	Disabled          bool   // one of its triggers does not fire
	Renamed           string // if missing: the table whose trigger writes this name
	DisabledPartition string // a partition whose trigger is disabled
	Bypassed          bool   // some sessions write without firing the trigger
	Version           string // changes with each change of a trigger
}

const enableTriggersSQL = `ALTER TABLE %s ENABLE TRIGGER "!gateway_json", ENABLE TRIGGER "!gateway_outbox"`

// problem returns why changes of the table are not captured and how to fix it, or "".
func (c tableCapture) problem() string { return joinFix(c.findProblem()) }

// warning returns why a table is captured only partly and how to fix it, or "".
func (c tableCapture) warning() string { return joinFix(c.findWarning()) }

func joinFix(what, fix string) string {
	if what == "" {
		return ""
	}
	return what + ": " + fix
}

// findProblem returns why changes of the table are not captured, and how to fix it.
func (c tableCapture) findProblem() (what, fix string) {
	switch {
	case c.Renamed != "":
		return "", ""
	case c.Missing:
		return "there is no table " + c.Name, "correct tables; if it was renamed, remove the old name from tables once its changes in the outbox are delivered"
	case c.Partition:
		return c.Name + " is a partition", "write the partitioned table instead"
	case c.Disabled:
		return fmt.Sprintf("nothing captures the changes of %s: its trigger is disabled", c.Name), fmt.Sprintf(enableTriggersSQL, pgtrigger.QuoteQualified(c.Name))
	case !c.Fires:
		return fmt.Sprintf("nothing captures the changes of %s: its trigger is not there, or was made before the table was renamed", c.Name),
			fmt.Sprintf("gateway sql --mode outbox --table %s --apply", pgtrigger.ShellArg(pgtrigger.QuoteQualified(c.Name)))
	case c.DisabledPartition != "":
		return fmt.Sprintf("nothing captures the changes of %s, a partition of %s: its trigger is disabled", c.DisabledPartition, c.Name), fmt.Sprintf(enableTriggersSQL, c.DisabledPartition)
	}
	return "", ""
}

// findWarning returns which changes of a captured table are not captured, or not under its name,
// and how to fix it.
func (c tableCapture) findWarning() (what, fix string) {
	switch {
	case c.Renamed != "":
		return fmt.Sprintf("the table %s is called %s now, but its changes have the old name", c.Name, c.Renamed),
			fmt.Sprintf("gateway sql --mode outbox --table %s --apply, and the new name beside the old one in tables", pgtrigger.ShellArg(c.Renamed))
	case c.Bypassed:
		return fmt.Sprintf("writes to %s by a subscription, or by a session with session_replication_role = replica, are not captured", c.Name),
			fmt.Sprintf(`ALTER TABLE %s ENABLE ALWAYS TRIGGER "!gateway_json", ENABLE ALWAYS TRIGGER "!gateway_outbox"`, pgtrigger.QuoteQualified(c.Name))
	}
	return "", ""
}

// readCaptures returns how the tables are captured.
func (r *reader) readCaptures(ctx context.Context) ([]tableCapture, error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	names, all := slices.Sorted(maps.Keys(r.s.tables)), len(r.s.tables) == 0
	if all {
		names = slices.Sorted(maps.Keys(r.s.captures)) // also tables that have lost their triggers
	}
	return r.s.readCaptures(ctx, r.conn, names, all)
}

// readCaptures returns how the tables called names are captured, and with all also every other
// table that has the trigger. A table also counts as captured if its trigger writes under an old
// name that the reader has.
func (s *source) readCaptures(ctx context.Context, conn *pgx.Conn, names []string, all bool) ([]tableCapture, error) {
	rows, err := conn.Query(ctx, tableCapturesSQL, names, all, s.opts.Name)
	if err == nil {
		var found []tableCapture
		if found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[tableCapture]); err == nil {
			for i := range found {
				found[i].Fires = found[i].Fires || s.tables[found[i].WritesAs]
			}
			return found, nil
		}
	}
	return nil, fmt.Errorf("cannot see which tables have a trigger: %w", err)
}

// checkCaptures returns an error if a table is not captured and never was while this reader ran:
// then the configuration is wrong.
func (r *reader) checkCaptures(ctx context.Context, out plugin.Output) error {
	found, err := r.readCaptures(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, c := range found {
		_, known := r.s.captures[c.Name]
		if p := c.problem(); p != "" && !known && !(c.Missing && c.ReadBefore) && len(r.s.tables) > 0 {
			problems = append(problems, errors.New(p))
		}
	}
	if len(problems) == 0 {
		r.compareCaptures(out, found)
	}
	return errors.Join(problems...)
}

// compareCaptures compares how the tables are captured with how they were. A table that is no longer
// captured is a gap, and so is one that is captured again. The other tables go on.
func (r *reader) compareCaptures(out plugin.Output, found []tableCapture) {
	for _, c := range found {
		before, known := r.s.captures[c.Name]
		problem, problemBefore, gap := c.problem(), before.problem(), ""
		switch {
		case problem != "" && (!known || problemBefore == ""):
			gap = problem
			out.ReportError(errors.New(problem))
		case problem == "" && known && problemBefore != "":
			gap = "changes of " + c.Name + " are captured again: earlier ones are missing"
		case problem == "" && known && c.Version != before.Version && c.Renamed == "" && before.Renamed == "":
			gap = "the trigger of " + c.Name + " was recreated, or disabled for a while: changes may be missing"
		}
		if w := c.warning(); w != "" && (!known || w != before.warning()) {
			out.ReportError(errors.New(w))
			r.s.log.Warn("table captured incompletely", "table", c.Name, "problem", w)
		}
		if gap != "" && !(len(r.s.tables) == 0 && !known && strings.HasPrefix(gap, "there is no")) {
			out.Gap(gap)
		}
		r.s.captures[c.Name] = c
	}
}
