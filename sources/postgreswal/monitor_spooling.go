package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/sources/postgreswal/spool"
)

// startSpooling restarts the stream at the confirmed LSN, into the spool. The reader finishes what is in memory, and then
// reads the spool, where it skips what it has emitted.
func (m *monitor) startSpooling(ctx context.Context, l lag) error {
	m.r.s.log.Warn("spooling began", "slot", m.r.s.opts.Slot, "lag_bytes", l.bytes, "lag_seconds", l.age.Seconds(), "max_lag", m.r.s.opts.MaxLag.String(), "path", m.r.s.opts.Spool.Path)
	m.r.out.ReportError(fmt.Errorf("changes are spooled: the lag was %v, beyond max_lag (%s)", l, m.r.s.opts.MaxLag))
	m.r.s.spooling.Store(true)
	return m.connectSpooler(ctx)
}

// connectSpooler starts a stream behind the end of the spool. After a failure, maintainSpooling retries it, unless the reader gets
// the error first and ends the Run. It returns errFenced if another gateway has taken over.
func (m *monitor) connectSpooler(ctx context.Context) error {
	m.startedAt = time.Now()
	m.feed.disconnect(errSpooled)
	m.feed.fail(nil)
	m.spooler = newSpooler(m.feed)
	conn, err := m.session(ctx)
	if err == nil {
		if err = m.r.checkToken(ctx, conn); errors.Is(err, errFenced) {
			return err
		}
	}
	if err == nil {
		err = m.endFormerStream(ctx, conn)
	}
	if err == nil {
		err = m.feed.spool.Rewind()
	}
	if err == nil {
		m.spooler = newSpooler(m.feed)
		err = m.r.connect(ctx, m.spooler, nil)
	}
	if err != nil {
		m.feed.fail(fmt.Errorf("cannot spool: %w", err))
	}
	return nil
}

// endFormerStream waits until the server has ended the stream that was closed.
func (m *monitor) endFormerStream(ctx context.Context, conn *pgx.Conn) error {
	r := &reader{s: m.r.s, conn: conn}
	slot, err := r.readSlot(ctx)
	if err == nil && slot.active != 0 {
		err = r.endFormerReader(ctx, slot)
	}
	return err
}

// maintainSpooling syncs the spool, stores and confirms its end, and restarts its stream if that has failed.
func (m *monitor) maintainSpooling(ctx context.Context) error {
	if m.spooler.ended() {
		m.r.s.log.Info("spooling ended", "slot", m.r.s.opts.Slot)
		m.spooler, m.failing = nil, time.Time{}
		m.r.s.spooling.Store(false)
		return nil
	}
	failed := m.feed.failure()
	if failed == nil {
		failed = m.spooler.sync()
	}
	if failed == nil {
		m.failing, m.logged = time.Time{}, ""
		return m.confirmSpooled(ctx)
	}
	if errors.Is(failed, spool.ErrFull) {
		m.givenUp = failed.Error()
		return m.giveUp(ctx)
	}
	m.logOnce(failed, "spooling failed")
	if m.failing.IsZero() {
		m.failing = time.Now()
	}
	if time.Since(m.startedAt) < retryAfter {
		return nil
	}
	return m.connectSpooler(ctx)
}

// confirmSpooled stores the end of the spool, and then confirms it to the server.
func (m *monitor) confirmSpooled(ctx context.Context) error {
	end := m.feed.spool.End()
	if end <= m.spooled {
		return nil
	}
	conn, err := m.session(ctx)
	if err == nil {
		if err = m.r.saveSpooled(ctx, conn, end); err != nil && !errors.Is(err, errFenced) {
			m.disconnect()
		}
	}
	switch {
	case errors.Is(err, errFenced):
		return err
	case err != nil:
		m.logOnce(err, "confirming the spool failed")
		return nil
	}
	m.spooled = end
	m.r.raiseConfirm(end)
	m.feed.report(false)
	return nil
}
