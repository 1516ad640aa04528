package postgresoutbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// settings are the settings of the reader's session.
var settings = append([]pgconn.Setting{
	{Name: "synchronous_commit", Value: "off"}, // a cursor that a crash undoes costs only duplicates
	{Name: "row_security", Value: "off"},       // rows that the role may not read are an error, and not omitted
}, pgconn.RowSettings...)

// connect returns a session that belongs to the connection, with its settings, and the pid of the
// server's process that serves it. With listen it listens for notifications of writers.
func (s *source) connect(ctx context.Context, listen bool) (conn *pgx.Conn, pid uint32, err error) {
	if conn, err = pgconn.Connect(ctx, s.conn); err != nil {
		return nil, 0, fmt.Errorf("cannot connect to %s: %w", s.opts.URL, pgconn.Summarize(err))
	}
	if listen {
		pid, err = pgconn.VerifyListen(ctx, conn, s.conn.ConnConfig, func(ctx context.Context) error { return execStatement(ctx, conn, "LISTEN gateway_outbox") })
	} else {
		pid, err = pgconn.VerifySession(ctx, conn, s.conn.ConnConfig)
	}
	if err == nil {
		err = applySettings(ctx, conn)
	}
	if err == nil {
		err = execStatement(ctx, conn, pgconn.LongSessionSQL)
	}
	if err != nil {
		pgconn.Close(conn)
		return nil, 0, fmt.Errorf("%s: %w", s.opts.URL, err)
	}
	return conn, pid, nil
}

// applySettings applies the settings, and returns an error if one did not take effect. They are not startup
// parameters, because poolers refuse or drop most of these. The session must be verified before:
// else the settings would reach other clients of a pooler.
func applySettings(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	results, err := conn.PgConn().Exec(ctx, pgconn.SetSQL(settings, false)).ReadAll()
	if err != nil {
		return fmt.Errorf("cannot prepare the session: %w", pgconn.Summarize(err))
	}
	for i, s := range settings {
		if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != len(settings) || string(results[0].Rows[0][i]) != s.Value {
			return fmt.Errorf("cannot prepare the session: the server did not accept %s = %s", s.Name, s.Value)
		}
	}
	return nil
}

// execStatement executes one statement that prepares a session.
func execStatement(ctx context.Context, conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("cannot prepare the session: %w", pgconn.Summarize(err))
	}
	return nil
}
