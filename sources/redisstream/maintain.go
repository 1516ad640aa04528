package redisstream

import (
	"context"
	"time"
)

// maintain stores what was acked, and sends heartbeats, while the reader may wait for entries or
// for the routes. It returns an error after a nack.
func (r *reader) maintain(ctx context.Context) error {
	heartbeat, pause := time.NewTicker(r.blockTime()), time.NewTicker(saveInterval)
	defer heartbeat.Stop()
	defer pause.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-heartbeat.C:
			if err = r.mode.heartbeat(ctx); err == nil {
				err = r.checkServer(ctx)
			}
		case <-r.mode.changed():
			select {
			case r.freed <- struct{}{}:
			default:
			}
			if _, _, err = r.mode.inFlight(); err == nil {
				begin := time.Now()
				err = r.mode.save(ctx)
				pause.Reset(min(max(saveInterval, saveShare*time.Since(begin)), saveMost))
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// checkServer returns an error if the server gets no new entries. A gap needs no check: what the stream has lost shows as a
// rollback.
func (r *reader) checkServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.blockTime())
	defer cancel()
	_, err := r.watch.Check(ctx)
	return err
}

// fail ends the reader where maintain has returned an error: it may wait for entries, or for the
// routes.
func (r *reader) fail(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	r.failure = err
	r.mu.Unlock()
	r.cancel()
	r.client.Close()
}
