package postgreswal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// settings are the settings of the reader's session. The position must be on disk before the slot is confirmed: else a
// crash of the server would leave a slot that is ahead of it. With read committed, two sessions can update the row of the slot at once.
var settings = append([]pgconn.Setting{{Name: "synchronous_commit", Value: "local"}, {Name: "default_transaction_isolation", Value: "read committed"}}, pgconn.RowSettings...)

// connect returns a session with its settings.
func (s *source) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgconn.Connect(ctx, s.conn)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", s.opts.URL, pgconn.Summarize(err))
	}
	if _, err = pgconn.VerifySession(ctx, conn, s.conn.ConnConfig); err == nil {
		err = execStatement(ctx, conn, pgconn.SetSQL(settings, false)+"; "+pgconn.LongSessionSQL)
	}
	if err != nil {
		pgconn.Close(conn)
		return nil, fmt.Errorf("%s: %w", s.opts.URL, err)
	}
	return conn, nil
}

// execStatement executes statements without results, such as settings of a session.
func execStatement(ctx context.Context, conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("cannot prepare the session: %w", pgconn.Summarize(err))
	}
	return nil
}

func quoteIdentifier(name string) string { return pgx.Identifier{name}.Sanitize() }
