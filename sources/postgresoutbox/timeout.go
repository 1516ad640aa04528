package postgresoutbox

import (
	"context"
	"errors"
	"time"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
)

const (
	// minAnswerTimeout is how long the server may send nothing during a statement. A sleeping reader
	// queries the server every maxSleep, so a silent connection is noticed within ten seconds.
	minAnswerTimeout = 4 * time.Second
	// maxAnswerTimeout bounds the timeout for a slow server: each run that ends by a timeout doubles it.
	// A run that lasts for answerTimeoutResetAfter resets it.
	maxAnswerTimeout        = 30 * time.Second
	answerTimeoutResetAfter = 10 * time.Minute
	// slowRead is the time after which a read is slow: the next one asks for fewer rows.
	slowRead = time.Second
)

// withTimeout returns a context for one statement, or for several. It ends when the server sends nothing
// for answerTimeout. A row that needs minutes on a slow link does not end it.
func (r *reader) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return pgconn.WithSilenceTimeout(ctx, r.conn, r.s.answerTimeout)
}

// adjustAnswerTimeout sets the timeout of the next run by how this one has ended.
func (s *source) adjustAnswerTimeout(err error, lasted time.Duration) {
	if lasted > answerTimeoutResetAfter {
		s.answerTimeout = min(s.answerTimeout, minAnswerTimeout)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		s.answerTimeout, s.readLimit = min(2*s.answerTimeout, maxAnswerTimeout), 1
	}
}

// lockNotAvailable is the SQLSTATE of a lock that another session holds for too long.
const lockNotAvailable = "55P03"

func isLockTimeout(err error) bool {
	var serverErr *pg.PgError
	return errors.As(err, &serverErr) && serverErr.Code == lockNotAvailable
}

// waitShortlySQL bounds how long the transaction waits for a lock. A writer that has deleted changes holds
// their locks until its transaction ends, and the reader deletes them later.
const waitShortlySQL = `set_config('lock_timeout', '200ms', true)`
