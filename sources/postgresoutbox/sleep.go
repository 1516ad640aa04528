package postgresoutbox

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	sleepFrom = 16 * time.Millisecond // the pause from which on it may sleep
	sleepMost = 5 * time.Second       // after which it looks by itself
)

// sleep waits for the bell, where there is nothing to do: it holds a lock that writers
// try to share, and those who cannot notify. It says whether it has slept. Nobody
// waits for this lock, and it goes with the session.
func (r *reader) sleep(ctx context.Context, out plugin.Output, pause time.Duration) (slept bool, err error) {
	waiting, _ := r.flight.State()
	if r.s.opts.Wake != "bell" || pause < sleepFrom || len(r.cursor.gaps) > 0 || waiting > 0 || r.flight.Progressed() || r.untidy {
		return false, nil
	}
	if err := r.ask(ctx, "SELECT pg_try_advisory_lock(26470, 1)", &slept); err != nil || !slept {
		return false, err // a writer is at work, or another reader sleeps
	}
	// Everybody who has looked at the lock before it was taken has ended: read once more.
	n, err := r.step(ctx, out)
	if err == nil && n == 0 && len(r.cursor.gaps) == 0 {
		err = r.awaitBell(ctx)
		if err == nil {
			_, err = r.step(ctx, out) // before writers stop ringing
		}
	}
	if err != nil {
		return true, err
	}
	var released bool
	return true, r.ask(ctx, "SELECT pg_advisory_unlock(26470, 1)", &released)
}

func (r *reader) awaitBell(ctx context.Context) error {
	timed, cancel := context.WithTimeout(ctx, sleepMost)
	defer cancel()
	if _, err := r.conn.WaitForNotification(timed); err != nil && timed.Err() == nil {
		return fmt.Errorf("lost the connection to %s: %w", r.s.opts.URL, err)
	}
	return ctx.Err()
}

func (r *reader) ask(ctx context.Context, sql string, answer *bool) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := r.conn.QueryRow(ctx, sql).Scan(answer); err != nil {
		return fmt.Errorf("no answer from %s: %w", r.s.opts.URL, err)
	}
	return nil
}
