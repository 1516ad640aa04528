package pgconn

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"
)

// nextSQL returns an expression for a term above all earlier ones of this database. It is made of
// counters: the timeline, which a promotion and a restore raise, and the transaction id. It is below
// 2^53, up to which Lua's integers are exact, and above the terms of gateways until November 2026, which
// were microseconds of the server's clock.
func (t *term) nextSQL() string {
	return `((1::bigint << 52) + ((` + t.timeline + ` & 4095) << 40) + (txid_current() & ((1::bigint << 40) - 1)))`
}

// TimelineSQL is the timeline of a server that is not in recovery: the first eight hexadecimal digits of
// the name of a WAL file. pg_control_checkpoint() returns the old one for seconds after a promotion.
const TimelineSQL = `('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint`

// AsUnsupported returns the server's error if a function does not exist or is forbidden (42), or is not
// supported (0A), as at servers that only speak PostgreSQL's protocol; else nil.
func AsUnsupported(err error) *pg.PgError {
	var serverErr *pg.PgError
	if errors.As(err, &serverErr) && (strings.HasPrefix(serverErr.Code, "42") || strings.HasPrefix(serverErr.Code, "0A")) {
		return serverErr
	}
	return nil
}

// readTimeline checks whether the server reports its timeline. Some that only speak PostgreSQL's protocol
// do not: there a promotion and a restore do not raise terms.
func (s Elector) readTimeline(ctx context.Context, t *term) error {
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := InTx(timed, t.conn, func(tx pgx.Tx) error {
		var n int64
		return tx.QueryRow(timed, "SELECT "+TimelineSQL).Scan(&n)
	})
	t.timeline = TimelineSQL
	if unsupported := AsUnsupported(err); unsupported != nil {
		s.Log.Warn("server timeline unavailable", "effect", "a promotion does not raise terms", "error", unsupported)
		t.timeline, err = "0::bigint", nil
	}
	return err
}

// checkTimeline returns an error if a sink has seen a term of a later timeline: then this server was
// superseded by a promoted or restored one.
func (s Elector) checkTimeline(ctx context.Context, t *term) error {
	if t.above == 0 {
		return nil
	}
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var later bool
	if err := InTx(timed, t.conn, func(tx pgx.Tx) error {
		return tx.QueryRow(timed, "SELECT $1::bigint >> 40 > "+t.nextSQL()+" >> 40", t.above).Scan(&later)
	}); err != nil {
		return fmt.Errorf("cannot read the timeline of %s: %w", s.URL, err)
	}
	if later {
		return fmt.Errorf("a sink has seen a leader of %s at a server that was promoted or restored later than %s: connect to that server; or, where this server has taken its place, as after a dump and restore, delete the keys that end in :term:%[1]s in the Redis of the sink", t.name, s.URL)
	}
	return nil
}
