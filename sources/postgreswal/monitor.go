package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
	"eventgateway/sources/postgreswal/spool"
)

const (
	monitorEvery = 200 * time.Millisecond // how often the spool is synced
	measureEvery = 5 * time.Second
	restartAfter = time.Second // between two attempts to start the stream of the spool
)

// monitor measures the lag, and acts when it is beyond max_lag. It has a goroutine and a session of its own, because a sink can block
// the reader for any time. Until the reader is free, it also does what the router does otherwise: it starts the stream again
// when that has failed.
type monitor struct {
	r     *reader // only what is fixed during a Run or safe for concurrent use
	feed  *feed
	watch lagWatch

	conn       *pgx.Conn // nil: not connected
	walEnd     uint64    // in the measurement before
	measuredAt time.Time
	startedAt  time.Time // of the latest attempt to start a stream
	spooler    *spooler  // nil: changes are not spooled
	spooled    uint64    // the stored LSN up to which they were
	unstored   bool      // a failure to store it was logged
	givenUp    string    // why the slot is to be dropped; "": it is not

	cancel context.CancelFunc
	ended  chan struct{}
}

// startMonitor starts the monitor. spooler is that of the stream; nil if it is not spooled.
func (r *reader) startMonitor(ctx context.Context, spooler *spooler) *monitor {
	ctx, cancel := context.WithCancel(ctx)
	m := &monitor{r: r, feed: r.stream, watch: lagWatch{max: r.s.opts.MaxLag}, spooler: spooler, spooled: r.spooled, startedAt: time.Now(), cancel: cancel, ended: make(chan struct{})}
	plugin.Go(func() error { return m.run(ctx) }, func(err error) {
		if err != nil && ctx.Err() == nil {
			m.feed.disconnect(err)
			m.feed.fail(err)
		}
		close(m.ended)
	})
	return m
}

// stop ends the monitor, and waits for it.
func (m *monitor) stop() {
	m.cancel()
	<-m.ended
}

func (m *monitor) run(ctx context.Context) error {
	m.r.s.spooling.Store(m.spooler != nil)
	defer m.disconnect()
	defer m.r.s.setUnknown()
	tick := time.NewTicker(m.r.s.monitorEvery)
	defer tick.Stop()
	for {
		if err := m.step(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// step does what is due. An error ends the Run.
func (m *monitor) step(ctx context.Context) error {
	if m.givenUp != "" {
		return m.giveUp(ctx)
	}
	if m.spooler != nil {
		if err := m.maintainSpooling(ctx); err != nil || m.givenUp != "" {
			return err
		}
	}
	if sp := m.feed.spool; sp != nil {
		if err := sp.Trim(m.r.stored.Load()); err != nil {
			m.r.s.log.Warn("cannot trim the spool", "error", err)
		}
		m.r.s.spoolBytes.Set(float64(sp.Size()))
	}
	if time.Since(m.measuredAt) < m.r.s.measureEvery {
		return nil
	}
	m.measuredAt = time.Now()
	conn, err := m.session(ctx)
	if err != nil {
		m.r.s.setUnknown() // it is tried again
		return nil
	}
	l, err := m.r.measureLag(ctx, conn, m.walEnd)
	if errors.Is(err, pgx.ErrNoRows) { // the stream fails, and the next Run reports the gap
		return nil
	}
	if err != nil {
		m.disconnect()
		m.r.s.setUnknown()
		return nil
	}
	m.walEnd = l.walEnd
	m.r.s.setGauges(l)
	return m.decide(ctx, l)
}

// decide acts on a measurement.
func (m *monitor) decide(ctx context.Context, l lag) error {
	exceeded := m.watch.exceeded(l)
	switch {
	case m.spooler != nil:
		acked := m.r.inFlight.Acked().lsn
		l.bytes = l.walEnd - min(acked, l.walEnd)
		m.spooler.end(m.feed.caughtUp.Load() && m.watch.recovered(l))
	case !exceeded:
	case m.r.s.opts.MaxLag.Then == "spool":
		m.startSpooling(ctx, l)
	default:
		m.givenUp = fmt.Sprintf("the lag was %v, beyond max_lag (%s)", l, m.r.s.opts.MaxLag)
		return m.giveUp(ctx)
	}
	return nil
}

// String returns the bounds.
func (m MaxLag) String() string {
	switch {
	case m.Age == 0:
		return m.Bytes.String()
	case m.Bytes == 0:
		return m.Age.String()
	}
	return fmt.Sprintf("%v or %v", m.Bytes, m.Age)
}

// session returns the monitor's session.
func (m *monitor) session(ctx context.Context) (*pgx.Conn, error) {
	if m.conn != nil && !m.conn.IsClosed() {
		return m.conn, nil
	}
	conn, err := m.r.s.connect(ctx)
	if err != nil {
		return nil, err
	}
	m.conn = conn
	return conn, nil
}

func (m *monitor) disconnect() {
	if m.conn != nil {
		pgconn.Close(m.conn)
		m.conn = nil
	}
}

// startSpooling restarts the stream at the confirmed LSN, into the spool. The reader finishes what is in memory, and then
// reads the spool, where it skips what it has emitted.
func (m *monitor) startSpooling(ctx context.Context, l lag) {
	m.r.s.log.Warn("spooling begins", "slot", m.r.s.opts.Slot, "lag_bytes", l.bytes, "lag_seconds", l.age.Seconds(), "max_lag", m.r.s.opts.MaxLag.String(), "path", m.r.s.opts.Spool.Path)
	m.r.s.spooling.Store(true)
	m.connectSpooler(ctx)
}

// connectSpooler starts a stream behind the end of the spool. A failure is tried again, unless the reader has ended the Run.
func (m *monitor) connectSpooler(ctx context.Context) {
	m.startedAt = time.Now()
	m.feed.disconnect(errSpooled)
	m.feed.fail(nil)
	err := m.feed.spool.Rewind()
	if err == nil {
		m.spooler = newSpooler(m.feed)
		err = m.r.connect(ctx, m.spooler, nil)
	}
	if err == nil {
		return
	}
	if conn, connErr := m.session(ctx); connErr == nil { // the server may not have noticed that the former stream is gone
		r := m.r.withSession(conn)
		if slot, slotErr := r.readSlot(ctx); slotErr == nil && slot.active != 0 {
			err = errors.Join(err, r.endFormerReader(ctx, slot))
		}
	}
	m.feed.fail(fmt.Errorf("cannot spool: %w", err))
}

// maintainSpooling syncs the spool, stores and confirms its end, and restarts its stream if that has failed.
func (m *monitor) maintainSpooling(ctx context.Context) error {
	if m.spooler.ended() {
		m.r.s.log.Info("spooling ended", "slot", m.r.s.opts.Slot)
		m.spooler = nil
		m.r.s.spooling.Store(false)
		return nil
	}
	failed := m.feed.failure()
	if failed == nil {
		failed = m.spooler.sync()
	}
	if failed != nil {
		if errors.Is(failed, spool.ErrFull) {
			m.givenUp = failed.Error()
			return m.giveUp(ctx)
		}
		if time.Since(m.startedAt) >= restartAfter {
			m.r.s.log.Warn("spooling is interrupted", "slot", m.r.s.opts.Slot, "error", failed)
			m.connectSpooler(ctx)
		}
		return nil
	}
	return m.confirmSpooled(ctx)
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
		if !m.unstored {
			m.r.s.log.Warn("cannot confirm what is spooled", "slot", m.r.s.opts.Slot, "error", err)
		}
		m.unstored = true
		return nil
	}
	m.unstored, m.spooled = false, end
	m.r.raiseConfirm(end)
	m.feed.report(false)
	return nil
}

// giveUp drops the slot, so that the server may remove its WAL. When the reader has emitted what is in memory and in the spool, the
// next Run reports the gap and makes a new slot. So a blocked reader holds no WAL. A failure is tried again.
func (m *monitor) giveUp(ctx context.Context) error {
	err := fmt.Errorf("the slot %s was given up, and changes are lost: %s", m.r.s.opts.Slot, m.givenUp)
	m.feed.disconnect(err)
	conn, connErr := m.session(ctx)
	if connErr != nil {
		return nil
	}
	r := m.r.withSession(conn)
	slot, slotErr := r.readSlot(ctx)
	if slotErr == nil && slot.active != 0 {
		slotErr = r.endFormerReader(ctx, slot)
	}
	if slotErr == nil && slot.exists {
		m.r.s.givenUp = m.givenUp // the next Run reads it, after this goroutine
		slotErr = r.dropSlot(ctx)
	}
	if slotErr != nil {
		m.r.s.log.Warn("cannot give up the slot", "slot", m.r.s.opts.Slot, "error", slotErr)
		m.disconnect()
		return nil
	}
	m.r.s.log.Error("slot was given up", "slot", m.r.s.opts.Slot, "reason", m.givenUp)
	m.r.out.ReportError(err) // the Run ends only when the reader is free
	return err
}

// withSession returns a reader that only asks the server about the slot, in another session.
func (r *reader) withSession(conn *pgx.Conn) *reader { return &reader{s: r.s, conn: conn} }
