package pgconn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A pooler between the gateway and the server may give each transaction of a connection another
// session of the server. Then LISTEN receives nothing, locks and settings reach other clients, and no
// statement fails. The checks below detect this before they leave anything in such a session:
//   - At the server itself, or behind a proxy that only forwards bytes, the process that serves the
//     session is the one that was named when the connection was opened. A pooler invents
//     a pid.
//   - Behind a pooler, the session belongs to the connection where a notification from another
//     session arrives while the connection sends nothing.

// proofTimeout bounds a check. On a busy server a notification waits for the commits of other
// notifiers, because there is one queue.
const proofTimeout = 10 * time.Second

// VerifySession returns the pid of the server's process that serves conn, and an error if the
// next transaction may have another session. config is that of conn: behind a pooler the check opens a
// second session for a moment. The role needs only the right to connect. The connection must not
// listen yet.
func VerifySession(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) (pid uint32, err error) {
	timed, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	if pid, err = askPID(timed, conn, ""); err != nil {
		return 0, fmt.Errorf("no answer: %w", Summarize(err))
	}
	if pid == conn.PgConn().PID() {
		return pid, nil
	}
	return VerifyListen(ctx, conn, config, nil)
}

// VerifyListen is [VerifySession], and also returns an error if LISTEN does not work. Then it calls
// listen, unless that is nil, to listen to other channels: a session that listens already
// need not search the server's queue for its start position.
func VerifyListen(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig, listen func(context.Context) error) (pid uint32, err error) {
	timed, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	channel := "eventgateway_proof_" + strings.ToLower(rand.Text()) // which no other program knows
	if pid, err = askPID(timed, conn, "LISTEN "+channel+"; "); err != nil {
		return 0, fmt.Errorf("cannot listen: %w", explainTimeout(err))
	}
	if err = checkEcho(timed, conn, config, pid, channel); err == nil && listen != nil {
		err = listen(ctx)
	}
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer stop()
	now, ended := askPID(ending, conn, "UNLISTEN "+channel+"; ") // also after an error: a pooler keeps the session
	switch {
	case err != nil:
		return 0, err
	case ended != nil:
		return 0, fmt.Errorf("no answer: %w", Summarize(ended))
	}
	return pid, CheckSameSession(config, now, pid)
}

// CheckSameSession returns an error if the process pid, which serves a connection now, is not the
// one that was verified.
func CheckSameSession(config *pgx.ConnConfig, pid, proven uint32) error {
	if pid == proven {
		return nil
	}
	return newPooledSession(config, fmt.Sprintf("the server's process %d serves it, and process %d did before, as through a pooler with pool_mode=transaction", pid, proven))
}

// pooledSession is the error of a connection that has no session of its own.
type pooledSession struct{ reason, database string }

func newPooledSession(config *pgx.ConnConfig, why string) error {
	return &pooledSession{why, config.Database}
}

func (u *pooledSession) Error() string { return u.text() + ": " + u.fix() }

func (u *pooledSession) text() string {
	return "the connection has no session of its own, so that LISTEN receives nothing, and a lock belongs to all clients: " + u.reason
}

func (u *pooledSession) fix() string {
	return fmt.Sprintf("connect to PostgreSQL itself, or have the pooler keep sessions; with pgbouncer by this line under [databases]: %s = host=... pool_mode=session", u.database)
}

// checkEcho notifies a channel to which conn listens, and waits for the notification. At the server
// itself the session notifies itself. Behind a pooler another session does, because a pooler forwards
// everything that arrives during a statement.
func checkEcho(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig, pid uint32, channel string) error {
	if pid == conn.PgConn().PID() {
		return awaitEcho(ctx, conn, conn, channel)
	}
	return echoFromSecondSession(ctx, conn, config, pid, channel)
}

// errNoEcho means that a notification did not arrive.
var errNoEcho = fmt.Errorf("LISTEN does not work: a notification of its own did not arrive within %v: check that the server supports LISTEN, and what fills its queue: SELECT pg_notification_queue_usage()", proofTimeout)

// explainTimeout adds a hint to an error of a timeout.
func explainTimeout(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: check what fills the server's notification queue: SELECT pg_notification_queue_usage()", Summarize(err))
	}
	return Summarize(err)
}

// awaitEcho notifies from one session, and waits until the other, which may be the same, receives that.
func awaitEcho(ctx context.Context, listens, notifies *pgx.Conn, channel string) error {
	if _, err := askPID(ctx, notifies, "NOTIFY "+channel+"; "); err != nil {
		return fmt.Errorf("cannot notify: %w", explainTimeout(err))
	}
	for {
		n, err := listens.WaitForNotification(ctx)
		switch {
		case n != nil && n.Channel == channel:
			return nil
		case errors.Is(err, context.DeadlineExceeded):
			return errNoEcho
		case err != nil:
			return fmt.Errorf("lost the connection: %w", Summarize(err))
		}
	}
}

// askPID executes before, and returns the pid of the server's process that did. Both are one message,
// and so one transaction.
func askPID(ctx context.Context, conn *pgx.Conn, before string) (pid uint32, err error) {
	results, err := conn.PgConn().Exec(ctx, before+"SELECT pg_catalog.pg_backend_pid()").ReadAll()
	if err != nil {
		return 0, err
	}
	errNone := errors.New("the server does not return the pid of the session")
	if len(results) == 0 { // also in a goroutine of its own, where a panic would end the process
		return 0, errNone
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != 1 {
		return 0, errNone
	}
	n, err := strconv.ParseInt(string(last.Rows[0][0]), 10, 32)
	if err != nil {
		return 0, errNone // the text is not repeated, because it is not trusted
	}
	return uint32(n), nil
}
