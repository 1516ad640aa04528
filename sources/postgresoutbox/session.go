package postgresoutbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// rowSettings make rows look in JSON as the trigger writes them.
var rowSettings = map[string]string{"timezone": "UTC", "bytea_output": "hex", "intervalstyle": "postgres", "extra_float_digits": "1"}

// sessionSettings are what the reader's session relies on beside.
var sessionSettings = map[string]string{
	"synchronous_commit": "off",                 // the cursor that a crash takes back costs duplicates only
	"search_path":        "pg_catalog, pg_temp", // no function of another role stands in for one of PostgreSQL
	"row_security":       "off",                 // rows that it may not see are an error, and not left out
}

// connect returns a session that belongs to the connection, with its settings, and the pid of the
// server's process that serves it. With bell it listens to the bell.
func (s *source) connect(ctx context.Context, bell bool) (conn *pgx.Conn, pid uint32, err error) {
	if conn, err = pgx.ConnectConfig(ctx, s.conn); err != nil {
		return nil, 0, fmt.Errorf("cannot connect to %s: %w", s.opts.URL, pgconn.Reason(err))
	}
	if bell {
		pid, err = pgconn.ProveListen(ctx, conn, s.conn, func(ctx context.Context) error { return carryOut(ctx, conn, "LISTEN gateway_outbox") })
	} else {
		pid, err = pgconn.ProveSession(ctx, conn, s.conn)
	}
	if err == nil {
		err = set(ctx, conn)
	}
	if err != nil {
		pgconn.Close(conn)
		return nil, 0, fmt.Errorf("%s: %w", s.opts.URL, err)
	}
	return conn, pid, nil
}

// set makes the settings of a session. They do not come with the connection, because poolers
// refuse most of such, or leave them out. The session must be proven: else they would reach
// other clients of a pooler.
func set(ctx context.Context, conn *pgx.Conn) error {
	var calls []string
	for _, settings := range []map[string]string{sessionSettings, rowSettings} {
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			calls = append(calls, fmt.Sprintf("pg_catalog.set_config('%s', '%s', false)", name, settings[name]))
		}
	}
	return carryOut(ctx, conn, "SELECT "+strings.Join(calls, ", "))
}

// carryOut carries out one statement of those with which a session begins.
func carryOut(ctx context.Context, conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("cannot prepare the session: %w", pgconn.Reason(err))
	}
	return nil
}
