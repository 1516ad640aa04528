package pgconn

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Probe connects, and returns the result as a finding. The caller closes the connection. It is nil
// if there is none, or if the server is a hot standby, which can neither notify nor store.
func Probe(ctx context.Context, config *SessionConfig, url options.URL) (*pgx.Conn, plugin.Finding) {
	conn, err := Connect(ctx, config)
	if pooled := (*pooledSession)(nil); errors.As(err, &pooled) {
		return nil, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("cannot use %s: %v", url, err), Fix: pooled.fix()}
	}
	if err != nil {
		return nil, plugin.Finding{
			Level: plugin.Problem, Text: fmt.Sprintf("cannot connect to %s: %v", url, Summarize(err)),
			Fix: `psql "$DATABASE_URL" -c 'SELECT 1' shows the same; check that the server runs, and that user, password and database are right`,
		}
	}
	var standby bool
	if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()", pgx.QueryExecModeSimpleProtocol).Scan(&standby); err != nil {
		Close(conn)
		return nil, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("connected to %s, but it answers no query: %v", url, Summarize(err)), Fix: `psql "$DATABASE_URL" -c 'SELECT 1' shows the same`}
	}
	if standby {
		Close(conn)
		return nil, plugin.Finding{
			Level: plugin.Problem, Text: fmt.Sprintf("connected to %s, which is a hot standby: it can neither notify nor store", url),
			Fix: "name the primary in url, or all servers: postgres://USER@HOST1,HOST2/DATABASE?target_session_attrs=read-write",
		}
	}
	return conn, plugin.Finding{Text: "connected to " + url.String()}
}

// ProbeSession returns a finding whether the session belongs to the connection (see [VerifySession]).
// config is that of conn.
func ProbeSession(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) plugin.Finding {
	_, err := VerifySession(ctx, conn, config)
	return finding(err, "the session belongs to the connection")
}

// ProbeListen is [ProbeSession], and also checks that LISTEN works. config is that of conn.
func ProbeListen(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) plugin.Finding {
	_, err := VerifyListen(ctx, conn, config, nil)
	return finding(err, "LISTEN works: a notification came back")
}

func finding(err error, okText string) plugin.Finding {
	var pooled *pooledSession
	switch {
	case err == nil:
		return plugin.Finding{Text: okText}
	case errors.As(err, &pooled):
		return plugin.Finding{Level: plugin.Problem, Text: pooled.text(), Fix: pooled.fix()}
	}
	return plugin.Finding{Level: plugin.Problem, Text: err.Error(), Fix: "check that the server, and a pooler before it, allow one more session"}
}
