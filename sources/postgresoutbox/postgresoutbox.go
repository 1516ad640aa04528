package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/gauge"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgsnapshot"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/pgverify"
	"eventgateway/gateway/plugin"
)

// Options of the source.
type Options struct {
	URL      options.URL      `koanf:"url" rule:"required,scheme=postgres|postgresql,embedded=postgres" doc:"postgres:// URL of the database"`
	Tables   []string         `koanf:"tables" doc:"tables whose changes are emitted: orders, shop.orders, or with quotes \"Shop\".\"Orders\""`
	Name     string           `koanf:"name" rule:"required,max=63" doc:"name of the reader, under which its cursor is stored; each name gets all changes"`
	Wake     string           `koanf:"wake" rule:"oneof=bell|poll" doc:"how an idle reader learns of changes: with bell, writers notify a sleeping reader"`
	Output   string           `koanf:"output" rule:"oneof=order|change" doc:"payload: order is {\"operation\": ..., \"order\": row}, as postgres-notify has it"`
	Owners   []string         `koanf:"owners" doc:"roles, beside that of the url and superusers, whose tables are read for a snapshot"`
	InFlight int              `koanf:"in_flight" rule:"min=1,max=10000000" doc:"events that may be emitted and not yet settled"`
	Snapshot string           `koanf:"snapshot" rule:"oneof=never|initial" doc:"initial: the rows that exist when the tables are first read are emitted, too"`
	MaxAge   options.Duration `koanf:"max_age" doc:"age of the oldest change that the reader has not read, beyond which it is detached; 0: no bound"`
	MaxBytes options.Size     `koanf:"max_bytes" doc:"size of the changes that the reader has not read, beyond which it is detached; 0: no bound"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"tables":    "Empty: all that have the trigger of gateway sql --mode outbox",
		"wake":      "poll reads every 50 ms, for databases with two-phase commit",
		"output":    "change has the table, id, time, and the old and the new row",
		"owners":    "The owner of a table can run code with the rights of the role that reads it. A superuser reads the tables of others with their rights, and needs no entry",
		"in_flight": "An undelivered event counts, and so do the later ones of its key. At this many the source stops reading until one is settled, and shows as stalled",
		"snapshot":  "They are emitted in the order of their keys, as the operation READ; then only changes follow",
		"max_age":   "At least 1m. Writers check it, every 1,024 changes. The gap is reported, and a new snapshot begins if snapshot is initial",
		"max_bytes": "At least 64MiB. Otherwise as max_age",
	}
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	for i, text := range o.Tables {
		if _, err := pgtrigger.ParseTable(text); err != nil {
			report(fmt.Sprintf("tables[%d]", i), err.Error())
		}
	}
	if o.MaxAge > 0 && o.MaxAge.D() < minMaxAge {
		report("max_age", fmt.Sprintf("must be at least %v: a reader needs time to connect again", options.Duration(minMaxAge)))
	}
	if o.MaxBytes > 0 && o.MaxBytes < minMaxBytes {
		report("max_bytes", fmt.Sprintf("must be at least %v: a reader reads several MiB at once", options.Size(minMaxBytes)))
	}
	if o.Snapshot == "initial" && len(o.Tables) == 0 {
		report("tables", "snapshot: initial needs to know which tables to read")
	}
}

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("postgres-outbox", "Changes of rows in PostgreSQL, of which none is ever lost.",
		func() Options {
			return Options{Name: "gateway", Wake: "bell", Output: "order", InFlight: 10_000, Snapshot: "never"}
		}, build).With(plugin.Replays, plugin.ElectsLeader).WithCommand(outboxCommand()).WithCommand(pgverify.Command())
}

func build(o Options, env plugin.Env) (plugin.Source, error) {
	conn, err := pgconn.PrimaryConfig(o.URL, env.Name)
	if err != nil {
		return nil, &plugin.OptionError{Option: "url", Err: err}
	}
	s := &source{
		Elector: pgconn.Elector{Config: conn, URL: o.URL, Log: env.Log, Owners: o.Owners},
		opts:    o, conn: conn, name: env.Name, log: env.Log, tables: map[string]bool{}, readLimit: 1, answerTimeout: minAnswerTimeout, maxUnclaimed: maxUnclaimed, maxCheckIDs: checkIDsAtBegin,
		lockWarnAfter: lockWarnAfter, deleteEvery: deleteEvery, measureEvery: measureEvery, stallAfter: inflight.StallAfter,
		rowReader: pgconn.RowReader{Config: conn, Owners: o.Owners, Timeout: chunkTimeout}, progress: pgsnapshot.Progress{Log: env.Log},
		captures: map[string]tableCapture{}, unclaimed: map[string]bool{},
	}
	s.snapshotReader = pgsnapshot.Reader{Rows: &s.rowReader, MaxRows: maxRows}
	for _, text := range o.Tables {
		t, _ := pgtrigger.ParseTable(text) // valid: Check has parsed it
		s.tables[t.Qualified()] = true
	}
	s.lagRows = gauge.NewValue("gateway_outbox_lag_rows", "Ids that were drawn and not yet read.")
	s.lagSeconds = gauge.NewAge("gateway_outbox_lag_seconds", "Age of the oldest change that was not yet read.")
	s.oldest = gauge.NewAge("gateway_outbox_oldest_seconds", "Age of the oldest change in the outbox, whichever reader has not delivered it.")
	s.gaps = gauge.NewValue("gateway_outbox_gaps", "Ids that open transactions may still bring, at most.")
	s.unclaimedRows = gauge.NewValue("gateway_outbox_unread_rows", "Changes that stay in the outbox because no reader has their table.")
	s.clock = gauge.NewPostgresClockOffset()
	for _, c := range []prometheus.Collector{s.lagRows, s.lagSeconds, s.oldest, s.gaps, s.unclaimedRows, s.clock} {
		err = errors.Join(err, env.Metrics.Register(c))
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		err = errors.Join(err, env.Metrics.Register(c))
		return c
	}
	s.snapshotRows = counter("gateway_outbox_snapshot_rows_total", "Rows that existed, and were read for the snapshot.")
	s.skipped = counter("gateway_outbox_skipped_total", "Changes that were not emitted because their table is not in tables.")
	s.unclaimedDeleted = counter("gateway_outbox_unread_deleted_total", "Changes that no reader had the table of, and that were deleted because there were too many, or the sequence was set back below them.")
	s.escaped = counter("gateway_outbox_escaped_total", "Changes that SQL of an older version has written with bytes without a UTF-8 form, which were escaped.")
	return s, err
}

type source struct {
	pgconn.Elector
	opts   Options
	conn   *pgconn.SessionConfig
	name   string
	log    *slog.Logger
	tables map[string]bool // schema.name; empty: all

	lagRows, gaps, unclaimedRows            *gauge.Value
	lagSeconds, oldest                      *gauge.Age
	clock                                   gauge.ClockOffset
	snapshotRows, skipped, unclaimedDeleted prometheus.Counter
	escaped                                 prometheus.Counter

	warnedVersion bool    // that the SQL is old; only the goroutine of Run uses it
	warnedBound   bool    // that the SQL is too old for a bound; as above
	warnedHistory bool    // that the server's history is unavailable; as above
	restart       bool    // the next run resets the stored cursor; as above
	lastReader    *reader // of the latest Run, for Close
	readLimit     int     // changes in one read: few at first, because the link may be slow

	rowReader      pgconn.RowReader // of a snapshot
	snapshotReader pgsnapshot.Reader
	progress       pgsnapshot.Progress

	captures  map[string]tableCapture // by table, as read last
	unclaimed map[string]bool         // tables that no reader has, and that were reported

	lockWarnAfter, deleteEvery, measureEvery, stallAfter time.Duration // the constants, except in tests

	answerTimeout time.Duration // see withTimeout; only the goroutine of Run uses it
	maxUnclaimed  int
	maxCheckIDs   int64
}

// Close is part of [plugin.Closer]: it stores what was acked after the last Run had ended.
func (s *source) Close(ctx context.Context) error {
	if s.lastReader == nil || !s.lastReader.dirty && !s.lastReader.inFlight.Progressed() {
		return nil
	}
	conn, _, err := s.connect(ctx, false)
	if err != nil {
		return fmt.Errorf("cannot store the cursor, so that the latest events are emitted again: %w", err)
	}
	defer pgconn.Close(conn)
	return s.saveLastReader(ctx, conn)
}

// saveLast stores what was acked after the last Run had ended, unless a successor has begun where
// that Run had stored.
func (s *source) saveLastReader(ctx context.Context, conn *pgx.Conn) error {
	s.lastReader.conn = conn
	err := s.lastReader.save(ctx)
	if errors.Is(err, errFenced) || errors.Is(err, errCursorChanged) {
		return nil
	}
	return err
}

// Run is part of [plugin.Source].
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	conn, pid, err := s.connect(ctx, s.opts.Wake == "bell")
	if err != nil {
		return plugin.UnlessDone(ctx, pgconn.Unavailable(err))
	}
	defer pgconn.Close(conn)
	defer s.rowReader.Close()
	r := &reader{
		s: s, out: out, conn: conn, pid: pid, inFlight: inflight.NewPositionTracker(batchPosition{}), keys: map[string]*tableKey{}, tablesOfOthers: map[string]time.Time{},
		lowSince: time.Now(), stall: inflight.StallDetector{After: s.stallAfter},
	}
	if s.lastReader != nil {
		if err := s.saveLastReader(ctx, conn); err != nil {
			return plugin.UnlessDone(ctx, pgconn.Unavailable(err))
		}
		r.known = s.lastReader.known
	}
	if err := r.begin(ctx, out); err != nil {
		s.adjustAnswerTimeout(err, 0)
		return plugin.UnlessDone(ctx, pgconn.Unavailable(fmt.Errorf("%s: %w", s.opts.URL, err)))
	}
	s.lastReader = r
	defer s.eachGauge(setUnknown)
	out.Ready()
	began := time.Now()
	err = r.run(ctx, out)
	s.adjustAnswerTimeout(err, time.Since(began))
	if errors.Is(err, errDetached) {
		r.inFlight, r.unemitted = inflight.NewPositionTracker(batchPosition{}), nil // events in flight belong to the old cursor
		r.dirty = false
	}
	var back *rewoundError
	if errors.As(err, &back) {
		out.Gap(back.reason)
		r.inFlight, r.unemitted = inflight.NewPositionTracker(batchPosition{}), nil // events in flight belong to the old cursor
		r.dirty = false
		_, resetErr := r.resetCursors(ctx, anyHistory)
		s.restart = resetErr != nil && !errors.Is(resetErr, errFenced) // the next run does it
		err = errors.Join(err, resetErr)
	}
	return plugin.UnlessDone(ctx, pgconn.Unavailable(err))
}
