package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

const (
	monitorEvery = 200 * time.Millisecond // between two syncs of the spool
	measureEvery = 5 * time.Second        // between two measurements of the lag
	retryAfter   = time.Second            // between two attempts to start a stream into the spool, or to drop the slot
	failingLimit = time.Minute            // for which changes cannot be spooled; then a slot beyond max_lag is given up
)

// cannotConnectNow is the SQLSTATE of a server that shuts down, or starts.
const cannotConnectNow = "57P03"

// monitor measures the lag, and acts when it is beyond max_lag. It has a goroutine and a session of its own, because a sink can block
// the reader for any time. While changes are spooled, it also restarts a stream that has failed: a blocked Run cannot end, so the
// router cannot restart it.
type monitor struct {
	r     *reader // only what is fixed during a Run or safe for concurrent use
	feed  *feed
	watch lagWatch

	conn       *pgx.Conn // nil: not connected
	walEnd     uint64    // of the WAL in the measurement before; 0: there is none
	measuredAt time.Time
	measured   int       // number of measurements
	exceeded   bool      // the lag was beyond max_lag in the measurement before
	startedAt  time.Time // of the latest attempt to start a stream or to drop the slot
	spooler    *spooler  // nil: changes are not spooled
	spooled    uint64    // the stored end of the spool, as an LSN
	failing    time.Time // since when changes cannot be spooled; zero: they can
	logged     string    // the error that was logged last
	givenUp    string    // why the slot is to be dropped; "": it is not

	cancel context.CancelFunc
	ended  chan struct{}
}

func (r *reader) startMonitor(ctx context.Context) *monitor {
	ctx, cancel := context.WithCancel(ctx)
	m := &monitor{r: r, feed: r.stream, watch: lagWatch{max: r.s.opts.MaxLag}, spooled: r.spooled, startedAt: time.Now(), cancel: cancel, ended: make(chan struct{})}
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
	m.r.s.spooling.Store(false)
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

// step maintains the spool, and measures the lag if that is due. An error ends the Run.
func (m *monitor) step(ctx context.Context) error {
	if m.givenUp != "" {
		if time.Since(m.startedAt) < retryAfter {
			return nil
		}
		return m.giveUp(ctx)
	}
	if m.spooler != nil {
		if err := m.maintainSpooling(ctx); err != nil || m.givenUp != "" {
			return err
		}
	}
	if sp := m.feed.spool; sp != nil {
		m.logOnce(sp.Trim(m.r.stored.Load()), "trimming the spool failed")
		m.r.s.spoolBytes.Set(float64(sp.Size()))
	}
	if time.Since(m.measuredAt) < m.r.s.measureEvery {
		return nil
	}
	m.measuredAt = time.Now()
	conn, err := m.session(ctx)
	if err != nil {
		m.r.s.setUnknown() // the next step retries it
		return nil
	}
	if m.measured%publicationShare == 0 {
		if err := m.checkPublication(ctx, conn); err != nil {
			m.disconnect()
			m.r.s.setUnknown()
			return nil
		}
	}
	m.measured++
	l, err := m.r.measureLag(ctx, conn, m.walEnd)
	if errors.Is(err, pgx.ErrNoRows) { // the slot is gone: the stream fails, and the next Run reports the gap
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
	if exceeded && !m.exceeded { // measure once more in a second: a busy server reports how far it has read only on request
		m.exceeded = true
		m.feed.report(true)
		m.measuredAt = time.Now().Add(-m.r.s.measureEvery * 4 / 5)
		return nil
	}
	m.exceeded = exceeded
	switch {
	case m.spooler != nil && m.cannotSpool(l):
		m.givenUp = "changes could not be spooled: " + m.logged
		return m.giveUp(ctx)
	case m.spooler != nil:
		acked := m.r.inFlight.Acked().lsn
		l.bytes = l.walEnd - min(acked, l.walEnd)
		m.spooler.end(m.feed.caughtUp.Load() && m.watch.recovered(l))
	case !exceeded:
	case m.r.s.opts.MaxLag.Then == "spool":
		return m.startSpooling(ctx, l)
	default:
		m.givenUp = fmt.Sprintf("the lag was %v, beyond max_lag (%s)", l, m.r.s.opts.MaxLag)
		return m.giveUp(ctx)
	}
	return nil
}

// cannotSpool reports whether changes could not be spooled for failingLimit, and the lag in bytes is beyond max_lag or unbounded.
func (m *monitor) cannotSpool(l lag) bool {
	return !m.failing.IsZero() && time.Since(m.failing) > failingLimit && (m.watch.max.Bytes == 0 || l.bytes > uint64(m.watch.max.Bytes))
}

// logOnce logs an error, unless it was logged last.
func (m *monitor) logOnce(err error, text string) {
	if err != nil && !errors.Is(err, context.Canceled) && err.Error() != m.logged {
		m.logged = err.Error()
		m.r.s.log.Warn(text, "slot", m.r.s.opts.Slot, "error", err)
	}
}

// String returns the bounds as text, such as 10GiB or 1h.
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
	if hasState(err, cannotConnectNow) { // a server that shuts down waits for the stream until everything is confirmed
		m.feed.disconnect(err)
	}
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
