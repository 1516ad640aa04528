package pgconn

import (
	"context"
	"errors"
	"fmt"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/internal/link"
)

// replicationSettings are settings of each replication connection. After half of wal_sender_timeout without a reply, the server asks for
// one, and at its end it closes the connection. With a shorter time it could end a healthy connection. With 0 or a longer one, it would
// leave a lost connection open.
var replicationSettings = []Setting{{"wal_sender_timeout", "60s"}}

// ConnectReplication opens a replication connection to the database of the configuration, with the settings of the configuration
// and then these. Only simple queries work on it. The role needs the attribute REPLICATION. Most poolers refuse it.
func ConnectReplication(ctx context.Context, config *SessionConfig, settings []Setting) (*pg.PgConn, error) {
	c := config.Copy()
	c.RuntimeParams["replication"] = "database"
	conn, err := pg.ConnectConfig(ctx, &c.Config)
	if err != nil {
		return nil, fmt.Errorf("cannot open a replication connection: %w", explainReplication(Summarize(err)))
	}
	for _, s := range [][]Setting{config.Settings, replicationSettings, settings} {
		if len(s) == 0 {
			continue
		}
		results, err := conn.Exec(ctx, SetSQL(s, false)).ReadAll()
		if err == nil && (len(results) != 1 || len(results[0].Rows) != 1) {
			err = errors.New("the server does not return the settings")
		}
		if err != nil {
			CloseReplication(conn)
			return nil, fmt.Errorf("cannot prepare the replication connection: %w", Summarize(err))
		}
	}
	return conn, nil
}

// ReplicationPoolerHint is what to do if a pooler before the server does not forward replication connections.
const ReplicationPoolerHint = "connect to PostgreSQL itself in url: pgbouncer forwards replication connections from version 1.23 on, and older ones do not"

// explainReplication adds a hint to the error of a role that may not replicate, and to that of a pooler.
func explainReplication(err error) error {
	var serverErr *pg.PgError
	if errors.As(err, &serverErr) && serverErr.Code == "08P01" {
		return fmt.Errorf("%w: %s", err, ReplicationPoolerHint)
	}
	if errors.As(err, &serverErr) && (serverErr.Code == "42501" || serverErr.Code == "28000") {
		return fmt.Errorf("%w: give the role the attribute: ALTER ROLE ... REPLICATION; and see gateway check --live", err)
	}
	return err
}

// CloseReplication closes a replication connection. The server notices it at once, because the connection is cut.
func CloseReplication(conn *pg.PgConn) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // at once: a connection in copy mode does not answer a regular end
	_ = conn.Close(ctx)
}

// Unsent returns how many bytes were written to a replication connection, and not acknowledged by the peer's operating system. The
// peer is the server or a proxy. Unsent returns 0 where the own system does not report it. If bytes stay unacknowledged for
// seconds, the connection is lost. A server that is busy with a large transaction may send nothing for some time, and its
// system still acknowledges bytes.
func Unsent(conn *pg.PgConn) int64 { return link.Unsent(conn.Conn()) }
