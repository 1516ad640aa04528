package postgresnotify

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// Probe is part of [plugin.Prober].
func (s *source) Probe(ctx context.Context) []plugin.Finding {
	conn, first := pgconn.Probe(ctx, s.conn, s.opts.URL)
	if conn == nil {
		return []plugin.Finding{first}
	}
	defer pgconn.Close(conn)
	findings := []plugin.Finding{first, pgconn.ProbeListen(ctx, conn, s.conn.ConnConfig)}
	if findings[1].Level == plugin.Problem {
		return findings
	}
	for _, channel := range s.opts.Channels {
		findings = append(findings, probeTriggers(ctx, conn, channel)...)
	}
	installed, err := s.probeFunctions(ctx, conn)
	if err != nil {
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: err.Error()})
	}
	return append(append(findings, installed...), probeQueue(ctx, conn))
}

// triggersSQL lists the triggers that notify a channel. gateway_notify has the channel as its first
// argument; other functions have it as an argument, or as a literal or in a NOTIFY in their text. The
// triggers of the outbox are excluded, because they notify only its readers.
var triggersSQL = `SELECT t.tgrelid::regclass::text, t.tgname, quote_ident(t.tgname), p.proname = 'gateway_notify' OR p.prosrc ~ '(octet_length|7999|8000)', t.tgenabled <> 'D',
    has_table_privilege(t.tgrelid, 'SELECT'), CASE WHEN has_schema_privilege(c.relnamespace, 'USAGE') THEN '' ELSE c.relnamespace::regnamespace::text END, ` + pgconn.HidesRowsSQL + `
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace,
       (SELECT $1::text AS name, convert_to($1::text, getdatabaseencoding()) || '\x00'::bytea AS arg) channel
 WHERE NOT t.tgisinternal AND p.prosrc ~* 'notif' AND NOT (n.nspname = 'gateway' AND p.proname LIKE 'outbox%')
   AND CASE WHEN p.proname = 'gateway_notify' THEN substring(t.tgargs FROM 1 FOR octet_length(arg)) = arg
       ELSE position('\x00'::bytea || arg IN '\x00'::bytea || t.tgargs) > 0 OR position(quote_literal(name) IN p.prosrc) > 0
         OR p.prosrc ~* ('\mnotify\s+"?' || regexp_replace(name, '([^[:alnum:]_])', '\\\1', 'g') || '"?\s*[,;]') END`

func probeTriggers(ctx context.Context, conn *pgx.Conn, channel string) []plugin.Finding {
	type trigger struct {
		Table, Name, Quoted     string
		Guarded, Enabled, Reads bool
		Schema                  string // that the role may not use; else ""
		Hides                   bool   // row-level security does, from who fetches
	}
	var found []trigger
	err := pgconn.InTx(ctx, conn, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, triggersSQL, pgx.QueryExecModeSimpleProtocol, channel)
		if err == nil {
			found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[trigger])
		}
		return err
	})
	switch {
	case err != nil:
		return []plugin.Finding{{Level: plugin.Warning, Text: fmt.Sprintf("cannot read the triggers: %v", err)}}
	case len(found) == 0:
		return []plugin.Finding{{
			Level: plugin.Warning, Text: fmt.Sprintf("no trigger in this database notifies %s", channel),
			Fix: fmt.Sprintf("gateway sql --table TABLE --channel %s --apply", pgtrigger.ShellArg(channel)),
		}}
	}
	var findings []plugin.Finding
	for _, t := range found {
		fix := fmt.Sprintf("gateway sql --table %s --channel %s --apply, and drop trigger %s", pgtrigger.ShellArg(t.Table), pgtrigger.ShellArg(channel), t.Quoted)
		switch {
		case !t.Enabled:
			findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("the trigger %s on %s is disabled", t.Name, t.Table), Fix: fmt.Sprintf("ALTER TABLE %s ENABLE TRIGGER %s", t.Table, pgx.Identifier{t.Name}.Sanitize())})
		case !t.Guarded:
			findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("the trigger %s on %s will fail the user's write of a row over 7,999 bytes", t.Name, t.Table), Fix: fix})
		case t.Schema != "":
			findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("rows of %s over 7,999 bytes cannot be fetched: USAGE of its schema is not granted", t.Table), Fix: fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON %s TO %[2]s -- as the owner", t.Schema, pgx.Identifier{conn.Config().User}.Sanitize(), t.Table)})
		case !t.Reads:
			findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("rows of %s over 7,999 bytes cannot be fetched: SELECT is not granted", t.Table), Fix: fmt.Sprintf("GRANT SELECT ON %s TO %s -- as its owner", t.Table, pgx.Identifier{conn.Config().User}.Sanitize())})
		case t.Hides:
			findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("rows of %s over 7,999 bytes cannot be fetched: row-level security could hide them", t.Table), Fix: pgconn.BypassRowSecuritySQL(conn)})
		default:
			findings = append(findings, plugin.Finding{Text: fmt.Sprintf("the trigger %s on %s notifies %s; rows over 7,999 bytes do not fail", t.Name, t.Table, channel)})
		}
	}
	return findings
}

func probeQueue(ctx context.Context, conn *pgx.Conn) plugin.Finding {
	var usage float64
	if err := conn.QueryRow(ctx, "SELECT pg_notification_queue_usage()", pgx.QueryExecModeSimpleProtocol).Scan(&usage); err != nil {
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot read the usage of the notification queue: %v", err)}
	}
	if usage > 0.1 {
		return plugin.Finding{
			Level: plugin.Warning, Text: fmt.Sprintf("the server's notification queue is %.0f %% full; when it is full, commits fail", usage*100),
			Fix: "SELECT pid, application_name, state, xact_start FROM pg_stat_activity WHERE query ILIKE 'listen%' ORDER BY xact_start -- a listening session in an open transaction holds it up",
		}
	}
	return plugin.Finding{Text: "the server's notification queue is empty or nearly so"}
}
