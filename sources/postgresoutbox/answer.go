package postgresoutbox

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/pgconn"
)

const (
	// firstSilence is how long nothing may come from the server while it is asked. A reader that
	// sleeps asks every sleepMost, so a silent connection shows within ten seconds.
	firstSilence = 4 * time.Second
	// mostSilence is for a server whose statements take longer: each silence doubles the time,
	// until a run was well for silenceForgot.
	mostSilence   = 30 * time.Second
	silenceForgot = 10 * time.Minute
	// longRead is how long the rows of one read may take: the next one has fewer.
	longRead = time.Second
)

// answer returns a context for one statement, or for several. It ends where nothing comes for
// too long: a row that needs minutes on a slow link is no silence.
func (r *reader) answer(ctx context.Context) (context.Context, context.CancelFunc) {
	return pgconn.Answer(ctx, r.conn, r.s.silence)
}

// adjustSilence notes how a run has ended.
func (s *source) adjustSilence(err error, lasted time.Duration) {
	if lasted > silenceForgot {
		s.silence = min(s.silence, firstSilence)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		s.silence, s.most = min(2*s.silence, mostSilence), 1
	}
}
