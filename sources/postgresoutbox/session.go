package postgresoutbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// settings are what the reader's session relies on, beside those with which rows become text.
var settings = append([]pgconn.Setting{
	{Name: "synchronous_commit", Value: "off"}, // the cursor that a crash takes back costs duplicates only
	{Name: "row_security", Value: "off"},       // rows that it may not see are an error, and not left out
}, pgconn.RowSettings...)

// connect returns a session that belongs to the connection, with its settings, and the pid of the
// server's process that serves it. With bell it listens to the bell.
func (s *source) connect(ctx context.Context, listen bool) (conn *pgx.Conn, pid uint32, err error) {
	if conn, err = pgx.ConnectConfig(ctx, s.conn); err != nil {
		return nil, 0, fmt.Errorf("cannot connect to %s: %w", s.opts.URL, pgconn.Summarize(err))
	}
	if listen {
		pid, err = pgconn.VerifyListen(ctx, conn, s.conn, func(ctx context.Context) error { return execStatement(ctx, conn, "LISTEN gateway_outbox") })
	} else {
		pid, err = pgconn.VerifySession(ctx, conn, s.conn)
	}
	if err == nil {
		err = applySettings(ctx, conn)
	}
	if err != nil {
		pgconn.Close(conn)
		return nil, 0, fmt.Errorf("%s: %w", s.opts.URL, err)
	}
	return conn, pid, nil
}

// set makes the settings of a session, and returns an error where one is another then. They do not come with the connection, because poolers
// refuse most of such, or leave them out. The session must be proven: else they would reach
// other clients of a pooler.
func applySettings(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	results, err := conn.PgConn().Exec(ctx, pgconn.SetSQL(settings, false)).ReadAll()
	if err != nil {
		return fmt.Errorf("cannot prepare the session: %w", pgconn.Summarize(err))
	}
	for i, s := range settings {
		if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != len(settings) || string(results[0].Rows[0][i]) != s.Value {
			return fmt.Errorf("cannot prepare the session: the server does not take %s = %s", s.Name, s.Value)
		}
	}
	return nil
}

// carryOut carries out one statement of those with which a session begins.
func execStatement(ctx context.Context, conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("cannot prepare the session: %w", pgconn.Summarize(err))
	}
	return nil
}
