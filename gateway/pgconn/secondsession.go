package pgconn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/plugin"
)

const (
	// poolPollEvery is how often a check that waits for a second session queries the first.
	poolPollEvery = 500 * time.Millisecond
	// poolPollsMin is the number of answers after which the first session counts as bound to its connection.
	poolPollsMin = 4
	// poolChecks is how often a check queries the first session after the second was served. A
	// transaction pooler is likely to answer with the second one's session, which ends the check early.
	poolChecks = 3
)

// echoFromSecondSession notifies from a second session, and returns nil if the first, which the server's
// process pid serves, receives that. The first sends nothing meanwhile, so a pooler that does not keep a
// session for it has no connection to forward this to.
//
// A session pool may be too small for a second session. Then the second waits while the first is
// answered, which is proof enough: a transaction pooler serves in order, and would have given the
// second the session of the first.
func echoFromSecondSession(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig, pid uint32, channel string) error {
	opened := openSecondSession(ctx, config)
	defer opened.close()
	tick := time.NewTicker(poolPollEvery)
	defer tick.Stop()
	for answers := 0; ; {
		select {
		case err := <-opened.failed:
			return fmt.Errorf("cannot verify that the session belongs to the connection: the pooler gives no second session, which this needs for a moment: %w", Summarize(err))
		case other := <-opened.served:
			if other == pid {
				return newPooledSession(config, fmt.Sprintf("a pooler has given its session, the server's process %d, to a second connection, as with pool_mode=transaction", pid))
			}
			for range poolChecks {
				if err := checkSamePID(ctx, conn, config, pid); err != nil {
					return err
				}
			}
			err := awaitEcho(ctx, conn, opened.conn, channel)
			if errors.Is(err, errNoEcho) {
				err = newPooledSession(config, fmt.Sprintf("what a second one has notified did not arrive within %v, as through a pooler with pool_mode=transaction", proofTimeout))
			}
			return err
		case <-tick.C:
		}
		if !opened.isLoggedIn() {
			continue
		}
		if err := checkSamePID(ctx, conn, config, pid); err != nil {
			return err
		}
		if answers++; answers == poolPollsMin {
			return awaitEcho(ctx, conn, conn, channel)
		}
	}
}

// checkSamePID returns an error if another process than pid serves the connection.
func checkSamePID(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig, pid uint32) error {
	now, err := askPID(ctx, conn, "")
	if err != nil {
		return fmt.Errorf("no answer: %w", Summarize(err))
	}
	return CheckSameSession(config, now, pid)
}

// secondSession is a connection that a goroutine opens, and queries for its pid.
type secondSession struct {
	conn     *pgx.Conn     // after served
	loggedIn chan struct{} // closed once it has logged in
	served   chan uint32   // the pid
	failed   chan error

	cancel context.CancelFunc
	ended  chan struct{}
}

func openSecondSession(ctx context.Context, config *pgx.ConnConfig) *secondSession {
	ctx, cancel := context.WithCancel(ctx)
	s := &secondSession{loggedIn: make(chan struct{}), served: make(chan uint32, 1), failed: make(chan error, 1), cancel: cancel, ended: make(chan struct{})}
	plugin.Go(func() error { return s.open(ctx, config) }, func(err error) {
		if err != nil {
			s.failed <- err
		}
		close(s.ended)
	})
	return s
}

func (s *secondSession) open(ctx context.Context, config *pgx.ConnConfig) (err error) {
	if s.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return err
	}
	close(s.loggedIn)
	pid, err := askPID(ctx, s.conn, "")
	if err == nil {
		s.served <- pid
	}
	return err
}

// isLoggedIn reports whether it has logged in.
func (s *secondSession) isLoggedIn() bool {
	select {
	case <-s.loggedIn:
		return true
	default:
		return false
	}
}

// close closes it, and waits for its goroutine.
func (s *secondSession) close() {
	s.cancel()
	<-s.ended
	if s.conn != nil {
		Close(s.conn)
	}
}
