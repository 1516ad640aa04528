package postgresnotify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// echoTimeout is how long an own notification may take to come back.
const echoTimeout = 3 * time.Second

// Probe is part of [plugin.Prober].
func (s *source) Probe(ctx context.Context) []plugin.Finding {
	conn, err := pgx.ConnectConfig(ctx, s.conn)
	if err != nil {
		return []plugin.Finding{{Level: plugin.Wrong, Text: fmt.Sprintf("cannot connect to %s: %v", s.opts.URL, pgconn.Reason(err)), Fix: `psql "$DATABASE_URL" -c 'SELECT 1' shows the same; see that the server runs, and that user, password and database are right`}}
	}
	defer pgconn.Close(conn)
	findings := []plugin.Finding{{Text: "connected to " + s.opts.URL.String()}}
	findings = append(findings, s.probeEcho(ctx, conn))
	for _, channel := range s.opts.Channels {
		findings = append(findings, probeTriggers(ctx, conn, channel)...)
	}
	return append(findings, probeQueue(ctx, conn))
}

// probeEcho listens, has another session notify, and waits for it. A transaction
// pooler gives each statement another session, so the LISTEN is lost.
func (s *source) probeEcho(ctx context.Context, conn *pgx.Conn) plugin.Finding {
	channel := "eventgateway_check_" + strings.ToLower(rand.Text())
	wrong := func(err error) plugin.Finding {
		return plugin.Finding{Level: plugin.Wrong, Text: fmt.Sprintf("LISTEN does not work: %v", err), Fix: "connect to PostgreSQL itself: through a transaction pooler (pgbouncer with pool_mode = transaction) a LISTEN hears nothing; or set pool_mode = session"}
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return wrong(err)
	}
	// This takes the pooler's server session away from the one that has listened.
	other, err := pgx.ConnectConfig(ctx, s.conn)
	if err != nil {
		return wrong(err)
	}
	defer pgconn.Close(other)
	if _, err := other.Exec(ctx, "SELECT pg_notify('"+channel+"', 'echo')", pgx.QueryExecModeSimpleProtocol); err != nil {
		return wrong(err)
	}
	wait, cancel := context.WithTimeout(ctx, echoTimeout)
	defer cancel()
	if _, err := conn.WaitForNotification(wait); err != nil {
		return wrong(errors.New("a notification of its own did not come back"))
	}
	return plugin.Finding{Text: "LISTEN works: a notification came back"}
}

// triggersOf lists the triggers that seem to notify a channel: their arguments or
// the text of their function name it.
const triggersOf = `SELECT t.tgrelid::regclass::text, t.tgname, p.proname = 'gateway_notify' OR p.prosrc ~ '(octet_length|7999|8000)', t.tgenabled <> 'D',
    has_table_privilege(t.tgrelid, 'SELECT')
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal AND (encode(t.tgargs, 'escape') LIKE '%' || $1 || '%' OR p.prosrc LIKE '%' || $1 || '%')`

func probeTriggers(ctx context.Context, conn *pgx.Conn, channel string) []plugin.Finding {
	type trigger struct {
		Table, Name             string
		Guarded, Enabled, Reads bool
	}
	rows, err := conn.Query(ctx, triggersOf, pgx.QueryExecModeSimpleProtocol, channel)
	if err == nil {
		var found []trigger
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[trigger])
		if err == nil && len(found) == 0 {
			return []plugin.Finding{{
				Level: plugin.Warning, Text: fmt.Sprintf("no trigger in this database notifies %s", channel),
				Fix: fmt.Sprintf("gateway sql --table TABLE --channel %s --apply", channel),
			}}
		}
		var findings []plugin.Finding
		for _, t := range found {
			fix := fmt.Sprintf("gateway sql --table '%s' --channel %s --apply, and drop trigger %s", t.Table, channel, t.Name)
			switch {
			case !t.Enabled:
				findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("the trigger %s on %s is disabled", t.Name, t.Table), Fix: fmt.Sprintf("ALTER TABLE %s ENABLE TRIGGER %s", t.Table, pgx.Identifier{t.Name}.Sanitize())})
			case !t.Guarded:
				findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("the trigger %s on %s will fail the user's write of a row over 7,999 bytes", t.Name, t.Table), Fix: fix})
			case !t.Reads:
				findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("rows of %s over 7,999 bytes cannot be fetched: SELECT is not granted", t.Table), Fix: fmt.Sprintf("GRANT SELECT ON %s TO %s -- as its owner", t.Table, pgx.Identifier{conn.Config().User}.Sanitize())})
			default:
				findings = append(findings, plugin.Finding{Text: fmt.Sprintf("the trigger %s on %s notifies %s; rows over 7,999 bytes do not fail", t.Name, t.Table, channel)})
			}
		}
		if err == nil {
			return findings
		}
	}
	return []plugin.Finding{{Level: plugin.Warning, Text: fmt.Sprintf("cannot look for triggers: %v", err)}}
}

func probeQueue(ctx context.Context, conn *pgx.Conn) plugin.Finding {
	var usage float64
	if err := conn.QueryRow(ctx, "SELECT pg_notification_queue_usage()", pgx.QueryExecModeSimpleProtocol).Scan(&usage); err != nil {
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot see the notification queue: %v", err)}
	}
	if usage > 0.1 {
		return plugin.Finding{
			Level: plugin.Warning, Text: fmt.Sprintf("the server's notification queue is %.0f %% full; when it is full, commits fail", usage*100),
			Fix: "SELECT pid, application_name, state, xact_start FROM pg_stat_activity WHERE query ILIKE 'listen%' ORDER BY xact_start -- a listening session in an open transaction holds it up",
		}
	}
	return plugin.Finding{Text: "the server's notification queue is empty or nearly so"}
}
