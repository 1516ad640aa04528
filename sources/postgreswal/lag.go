package postgreswal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

const (
	minMaxLagAge   = time.Minute // a reader needs seconds to connect again
	minMaxLagBytes = 64 << 20    // several times what is in memory
	minSpoolBytes  = 64 << 20
)

// MaxLag configures how far the slot may be behind, and what happens beyond.
type MaxLag struct {
	Bytes options.Size     `koanf:"bytes" doc:"bound of the WAL behind the confirmed position of the slot; 0: no bound"`
	Age   options.Duration `koanf:"age" doc:"bound of the age of the oldest change that is not settled, since its commit; 0: no bound"`
	Then  string           `koanf:"then" rule:"oneof=give_up|spool" doc:"give_up drops the slot and reports a gap; spool keeps the changes in files at spool.path"`
}

// Spool configures where changes are kept while the lag is beyond max_lag.
type Spool struct {
	Path     string       `koanf:"path" doc:"folder of the spool, for this source only"`
	MaxBytes options.Size `koanf:"max_bytes" doc:"size of the spool; beyond it the slot is given up"`
}

// Docs is part of [options.Documented].
func (MaxLag) Docs() map[string]string {
	return map[string]string{
		"bytes": "At least 64MiB. Nothing is done while the lag falls",
		"age":   "At least 1m. Nothing is done while the age falls",
		"then":  "After give_up, the source emits what it had received, and makes a new slot. It begins a new snapshot if snapshot is initial",
	}
}

// Docs is part of [options.Documented].
func (Spool) Docs() map[string]string { return map[string]string{"max_bytes": "At least 64MiB"} }

func (o *Options) checkLag(report func(option, text string)) {
	if o.MaxLag.Bytes > 0 && o.MaxLag.Bytes < minMaxLagBytes {
		report("max_lag.bytes", fmt.Sprintf("must be at least %v: a reader has several MiB in memory", options.Size(minMaxLagBytes)))
	}
	if o.MaxLag.Age > 0 && o.MaxLag.Age.D() < minMaxLagAge {
		report("max_lag.age", fmt.Sprintf("must be at least %v: a reader needs time to connect again", options.Duration(minMaxLagAge)))
	}
	if o.MaxLag.Then == "spool" && o.Spool.Path == "" {
		report("spool.path", "must be set for max_lag.then: spool")
	}
	if o.Spool.MaxBytes < minSpoolBytes {
		report("spool.max_bytes", fmt.Sprintf("must be at least %v", options.Size(minSpoolBytes)))
	}
}

// lag is how far the slot was behind when it was measured.
type lag struct {
	walEnd uint64
	bytes  uint64        // of WAL behind the confirmed LSN
	read   uint64        // LSN up to which the open transaction was read; 0: not known (reader.noteRead)
	kept   uint64        // bytes of WAL that the server keeps for the slot
	age    time.Duration // of the commit of the oldest change that is not settled; 0: all are
	known  bool          // whether age is known
}

func (l lag) String() string {
	bytes := fmt.Sprintf("%.1f MiB of WAL", float64(l.bytes)/(1<<20))
	if !l.known {
		return bytes
	}
	return fmt.Sprintf("%s and %v", bytes, l.age.Round(time.Second))
}

// measureLag measures the lag, in the monitor's session. passed is the end of the WAL in the measurement before; 0: there is none.
func (r *reader) measureLag(ctx context.Context, conn *pgx.Conn, passed uint64) (l lag, err error) {
	ctx, cancel := pgconn.WithSilenceTimeout(ctx, conn, answerTimeout)
	defer cancel()
	confirmed := r.confirm.Load()
	var end, restart int64
	var now time.Time
	sent := time.Now()
	err = conn.QueryRow(ctx, `SELECT (pg_current_wal_lsn() - '0/0')::bigint, (coalesce(restart_lsn, pg_current_wal_lsn()) - '0/0')::bigint, clock_timestamp()
		FROM pg_replication_slots WHERE slot_name = $1`, r.s.opts.Slot).Scan(&end, &restart, &now)
	if err != nil {
		return l, fmt.Errorf("cannot measure the lag of the slot %s: %w", r.s.opts.Slot, err)
	}
	r.s.clock.Measured(sent, time.Now(), now)
	l.walEnd = uint64(end)
	l.bytes = l.walEnd - min(confirmed, l.walEnd)
	l.read = r.read.Load()
	l.kept = l.walEnd - min(uint64(restart), l.walEnd)
	oldest, found := r.inFlight.First(func(m mark) bool { return m.committed != 0 })
	switch {
	case found:
		l.age, l.known = max(now.Sub(time.UnixMicro(oldest.committed)), 0), true
	case passed > 0 && r.inFlight.Acked().lsn >= passed:
		l.known = true
	}
	return l, nil
}

// Campaign is part of [plugin.Elector]. A standby does not export the gauges: the leader does.
func (s *source) Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (plugin.Leadership, error) {
	return s.Elector.Campaign(ctx, name, above, func(holder string) {
		for _, g := range []interface{ Reset() }{s.lagBytes, s.lagSeconds, s.spoolBytes, s.clock} {
			g.Reset()
		}
		standby(holder)
	})
}

// setUnknown marks the gauges as stale, because they are not measured now.
func (s *source) setUnknown() {
	for _, g := range []interface{ MarkStale() }{s.lagBytes, s.lagSeconds, s.spoolBytes, s.clock} {
		g.MarkStale()
	}
}

// setGauges sets the gauges to a measurement.
func (s *source) setGauges(l lag) {
	s.lagBytes.Set(float64(l.kept))
	if l.known {
		s.lagSeconds.Set(l.age.Seconds())
	}
}

// lagWatch decides when the lag is beyond max_lag.
type lagWatch struct {
	max    MaxLag
	before *lag // the measurement before; nil if there is none
}

// exceeded notes a measurement, and reports whether the lag is beyond max_lag and does not fall. A first measurement never is.
func (w *lagWatch) exceeded(l lag) bool {
	before := w.before
	w.before = &l
	if before == nil {
		return false
	}
	bytes := w.max.Bytes > 0 && l.bytes > uint64(w.max.Bytes) && l.bytes >= before.bytes
	age := w.max.Age > 0 && l.known && l.age > w.max.Age.D() && (!before.known || l.age >= before.age)
	return (bytes || age) && !l.readFasterThanWritten(*before)
}

// readFasterThanWritten reports whether the reader has read more of a large transaction than the WAL has grown. The slot cannot be confirmed
// within a transaction, so neither l.bytes nor l.age shows this progress.
func (l lag) readFasterThanWritten(before lag) bool {
	return before.read > 0 && l.read > before.read && l.read-before.read >= l.walEnd-before.walEnd
}

// recovered reports whether the lag is at most half of max_lag. So a lag near max_lag does not switch the spool on and off.
func (w *lagWatch) recovered(l lag) bool {
	return (w.max.Bytes == 0 || l.bytes <= uint64(w.max.Bytes)/2) && (w.max.Age == 0 || l.known && l.age <= w.max.Age.D()/2)
}
