package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/gauge"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgjson"
	"eventgateway/gateway/pgsnapshot"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// Options of the source.
type Options struct {
	URL          options.URL `koanf:"url" rule:"required,scheme=postgres|postgresql,embedded=postgres" doc:"postgres:// URL of the database"`
	Slot         string      `koanf:"slot" rule:"required,max=63" doc:"name of the replication slot, which the source makes if there is none; each slot gets all changes"`
	Publication  string      `koanf:"publication" rule:"required,max=63" doc:"name of the publication that gateway sql --mode wal has made"`
	Tables       []string    `koanf:"tables" doc:"tables whose changes are emitted: orders, shop.orders, or with quotes \"Shop\".\"Orders\""`
	Output       string      `koanf:"output" rule:"oneof=order|change" doc:"payload: order is {\"operation\": ..., \"order\": row}, as postgres-notify has it"`
	Owners       []string    `koanf:"owners" doc:"roles, beside that of the url and superusers, whose tables are read for a snapshot"`
	InFlight     int         `koanf:"in_flight" rule:"min=1,max=10000000" doc:"events that may be emitted and not yet settled"`
	Snapshot     string      `koanf:"snapshot" rule:"oneof=never|initial" doc:"initial: the rows that exist when the tables are first read are emitted, too"`
	Transactions bool        `koanf:"transactions" doc:"adds the attributes xid, tx_position (the number of the change in its transaction) and tx_last (true for the last change)"`
	MaxLag       MaxLag      `koanf:"max_lag"`
	Spool        Spool       `koanf:"spool"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"slot":      "Letters a to z, digits and underscores. All databases of a server share the names of slots",
		"tables":    "Empty: all of the publication",
		"output":    "change has the table, id, time of the commit, and the old and the new row",
		"owners":    "The owner of a table can run code with the rights of the role that reads it. This also holds for columns that are read back",
		"in_flight": "An undelivered event counts, and so do the later ones of its key. At this many the source stops reading until one is settled, and shows as stalled",
		"snapshot":  "They are emitted in the order of their keys, as the operation READ, with changes in between; then only changes follow",
	}
}

var slotName = regexp.MustCompile(`^[a-z0-9_]+$`)

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	for i, text := range o.Tables {
		if _, err := pgtrigger.ParseTable(text); err != nil {
			report(fmt.Sprintf("tables[%d]", i), err.Error())
		}
	}
	if o.Slot != "" && !slotName.MatchString(o.Slot) {
		report("slot", "must be letters a to z, digits and underscores, as PostgreSQL wants it")
	}
	if o.Snapshot == "initial" && len(o.Tables) == 0 {
		report("tables", "snapshot: initial needs to know which tables to read")
	}
	o.checkLag(report)
}

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("postgres-wal", "Changes of rows in PostgreSQL, from its write-ahead log.",
		func() Options {
			return Options{Slot: "gateway", Publication: "gateway", Output: "order", InFlight: 10_000, Snapshot: "never", MaxLag: MaxLag{Then: "give_up"}, Spool: Spool{MaxBytes: 10 << 30}}
		}, build).With(plugin.Replays, plugin.ElectsLeader).WithCommand(walCommand())
}

func build(o Options, env plugin.Env) (plugin.Source, error) {
	conn, err := pgconn.PrimaryConfig(o.URL, env.Name)
	if err != nil {
		return nil, &plugin.OptionError{Option: "url", Err: err}
	}
	s := &source{
		Elector: pgconn.Elector{Config: conn, URL: o.URL, Log: env.Log, Owners: o.Owners},
		opts:    o, conn: conn, name: env.Name, log: env.Log, tables: map[string]bool{}, reported: map[string]bool{},
		silence: minSilence, stallAfter: inflight.StallAfter, monitorEvery: monitorEvery, measureEvery: measureEvery, stuckAfter: stuckAfter,
		rowReader: pgconn.RowReader{Config: conn, Owners: o.Owners, Timeout: readTimeout},
		progress:  pgsnapshot.Progress{Log: env.Log},
	}
	s.snapshotReader = pgsnapshot.Reader{Rows: &s.rowReader, MaxRows: maxChunkRows}
	for _, text := range o.Tables {
		t, _ := pgtrigger.ParseTable(text) // valid: Check has parsed it
		s.tables[t.Qualified()] = true
	}
	s.skipped = prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_wal_skipped_total", Help: "Changes that were not emitted because their table is not in tables."})
	s.snapshotRows = prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_wal_snapshot_rows_total", Help: "Rows that existed, and were read for the snapshot."})
	s.lagBytes = gauge.NewValue("gateway_wal_lag_bytes", "WAL that the server keeps for the slot.")
	s.lagSeconds = gauge.NewAge("gateway_wal_lag_seconds", "Age of the commit of the oldest change that is not settled.")
	s.spoolBytes = gauge.NewValue("gateway_wal_spool_bytes", "Size of the spool on disk.")
	s.clock = gauge.NewPostgresClockOffset()
	for _, c := range []prometheus.Collector{s.skipped, s.snapshotRows, s.lagBytes, s.lagSeconds, s.spoolBytes, s.clock} {
		err = errors.Join(err, env.Metrics.Register(c))
	}
	return s, err
}

type source struct {
	pgconn.Elector
	opts   Options
	conn   *pgconn.SessionConfig
	name   string
	log    *slog.Logger
	tables map[string]bool // schema.name; empty: all

	skipped, snapshotRows prometheus.Counter
	lagBytes, spoolBytes  *gauge.Value
	lagSeconds            *gauge.Age
	clock                 gauge.ClockOffset

	stallAfter, monitorEvery, measureEvery, stuckAfter time.Duration // the constants, except in tests
	spooling                                           atomic.Bool   // changes are spooled; tests wait for it

	// Only the goroutine of Run uses these.
	rowReader    pgconn.RowReader
	reported     map[string]bool // errors that were reported
	lastSaved    position        // by this gateway
	untranslated bool            // texts of the stream are in the encoding of the database; see encoding.go
	silence      time.Duration   // of the next stream; see minSilence
	lastReader   *reader         // of the latest Run
	unpublished  string          // why changes are not sent; "": they are sent. Only the monitor uses it
	stuck        stuck
	givenUp      string // why the slot was given up; "": it was not

	snapshotReader pgsnapshot.Reader
	progress       pgsnapshot.Progress
}

// Run is part of [plugin.Source].
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	return plugin.UnlessDone(ctx, pgconn.Unavailable(s.run(ctx, out)))
}

func (s *source) run(ctx context.Context, out plugin.Output) (err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	defer s.rowReader.Close()
	r := &reader{s: s, out: out, conn: conn, relations: map[uint32]*relation{}, types: pgjson.NewTypes(), stall: inflight.StallDetector{After: s.stallAfter}}
	if s.lastReader != nil {
		if err := s.saveLastReader(ctx); err != nil {
			return err
		}
	}
	err = r.begin(ctx)
	if r.spool != nil {
		defer func() { err = r.closeSpool(err) }()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.opts.URL, err)
	}
	s.lastReader = r
	err = r.startFeed(ctx)
	defer r.stream.close()
	if err != nil {
		return err
	}
	monitor := r.startMonitor(ctx)
	defer monitor.stop()
	out.Ready()
	err = r.run(ctx)
	monitor.stop()
	_, nacked := r.inFlight.State()
	s.stuck.end(r.streamErr, nacked)
	switch {
	case errors.Is(err, errFenced):
		s.lastReader = nil // its position is not stored: another reader has taken over
	case errors.Is(err, errSilent):
		s.silence = min(2*s.silence, maxSilence)
	case r.inFlight.AckedEvents() > 0:
		s.silence = minSilence
	}
	return err
}

// saveLastReader stores the position up to which events were acked after the last Run had ended, unless another reader has taken over.
func (s *source) saveLastReader(ctx context.Context) error {
	r := s.lastReader
	s.lastReader = nil
	if !r.needsSave() {
		return nil
	}
	conn, err := s.connect(ctx)
	if err != nil {
		s.lastReader = r
		return err
	}
	defer pgconn.Close(conn)
	r.conn, r.stream = conn, nil
	if err := r.save(ctx); err != nil && !errors.Is(err, errFenced) {
		s.lastReader = r
		return err
	}
	return nil
}

// Close is part of [plugin.Closer]. It stores the position up to which events were acked after the last Run had ended.
func (s *source) Close(ctx context.Context) error {
	if s.lastReader == nil {
		return nil
	}
	if err := s.saveLastReader(ctx); err != nil {
		return fmt.Errorf("cannot store the position, so that the latest events are emitted again: %w", err)
	}
	return nil
}

// reportOnce reports an error that concerns a part of the source, such as one table. It reports each text once.
func (s *source) reportOnce(out plugin.Output, err error) {
	if !s.reported[err.Error()] {
		s.reported[err.Error()] = true
		s.log.Warn("part of the source failed", "error", err)
		out.ReportError(err)
	}
}
