package pgconn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// echoTimeout is how long an own notification may take to come back.
const echoTimeout = 3 * time.Second

// Probe connects, and says how that went. The caller closes the connection, which is nil
// where there is none, and at a hot standby: nobody can listen or store anything there.
func Probe(ctx context.Context, config *pgx.ConnConfig, url options.URL) (*pgx.Conn, plugin.Finding) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, plugin.Finding{
			Level: plugin.Wrong, Text: fmt.Sprintf("cannot connect to %s: %v", url, Reason(err)),
			Fix: `psql "$DATABASE_URL" -c 'SELECT 1' shows the same; see that the server runs, and that user, password and database are right`,
		}
	}
	var standby bool
	if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()", pgx.QueryExecModeSimpleProtocol).Scan(&standby); err != nil {
		Close(conn)
		return nil, plugin.Finding{Level: plugin.Wrong, Text: fmt.Sprintf("connected to %s, and cannot ask it anything: %v", url, Reason(err)), Fix: `psql "$DATABASE_URL" -c 'SELECT 1' shows the same`}
	}
	if standby {
		Close(conn)
		return nil, plugin.Finding{
			Level: plugin.Wrong, Text: fmt.Sprintf("connected to %s, which is a hot standby: nobody can listen or store anything there", url),
			Fix: "name the primary in url, or all servers: postgres://USER@HOST1,HOST2/DATABASE?target_session_attrs=read-write",
		}
	}
	return conn, plugin.Finding{Text: "connected to " + url.String()}
}

// ProbeListen listens, has another session notify, and waits for it. A transaction
// pooler gives each statement another session, so the LISTEN is lost.
func ProbeListen(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) plugin.Finding {
	channel := "eventgateway_check_" + strings.ToLower(rand.Text())
	wrong := func(err error) plugin.Finding {
		return plugin.Finding{Level: plugin.Wrong, Text: fmt.Sprintf("LISTEN does not work: %v", err), Fix: "connect to PostgreSQL itself: through a transaction pooler (pgbouncer with pool_mode = transaction) a LISTEN hears nothing; or set pool_mode = session"}
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return wrong(err)
	}
	// This takes the pooler's server session away from the one that has listened.
	other, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return wrong(err)
	}
	defer Close(other)
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
