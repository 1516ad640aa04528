package postgresoutbox

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// resetDatabase recreates the database: no outbox, and the tables of ddl, with triggers on the named
// ones.
func resetDatabase(t testing.TB, ddl string, tables ...string) *pgx.Conn {
	t.Helper()
	db := testenv.Connect(t)
	run(t, db, `DROP SCHEMA IF EXISTS gateway CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public;`+ddl)
	run(t, db, outbox(t, tables...).CreateSQL())
	return db
}

func outbox(t testing.TB, names ...string) (o pgtrigger.Outbox) {
	t.Helper()
	for _, name := range names {
		table, err := pgtrigger.ParseTable(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Tables = append(o.Tables, table)
	}
	return o
}

func run(t testing.TB, db *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql, args...); err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
}

// collector is an Output that stores events, and acks them as ackWith returns.
type collector struct {
	plugintest.Output
	ready    chan struct{}
	arrived  chan struct{}
	ackWith  func(*event.Event) error // of a batch, by its first event; nil: all is well
	gap      func(reason string)      // nil: gaps do not matter
	withhold func(*event.Event) bool  // what no sink takes; nil: nothing
	stalled  chan string

	mu       sync.Mutex
	events   []*event.Event
	seen     map[string]bool // by ID
	repeated int             // events that came again
	withheld []func(error)   // of those that stay
}

func newCollector() *collector {
	return &collector{ready: make(chan struct{}, 1), arrived: make(chan struct{}, 1), seen: map[string]bool{}, stalled: make(chan string, 1000)}
}

func (c *collector) Gap(reason string) {
	if c.gap != nil {
		c.gap(reason)
	}
}
func (c *collector) Ready() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
func (c *collector) Emit(_ context.Context, b event.Batch) error {
	c.mu.Lock()
	for _, e := range b.Events {
		if c.seen[e.ID] {
			c.repeated++
			continue
		}
		c.seen[e.ID] = true
		c.events = append(c.events, e)
	}
	var err error
	if c.ackWith != nil {
		err = c.ackWith(b.Events[0])
	}
	stays := c.withhold != nil && c.withhold(b.Events[0])
	if stays {
		c.withheld = append(c.withheld, b.Ack.Settle)
	}
	c.mu.Unlock()
	select {
	case c.arrived <- struct{}{}:
	default:
	}
	if !stays {
		b.Ack.Settle(err)
	}
	return nil
}

// SetStalled is part of [plugin.Staller].
func (c *collector) SetStalled(reason string) { c.stalled <- reason }

// take has the sinks take what stayed.
func (c *collector) ackWithheld() {
	c.mu.Lock()
	acks := c.withheld
	c.withheld, c.withhold = nil, nil
	c.mu.Unlock()
	for _, ack := range acks {
		ack(nil)
	}
}

// await waits for n events in all, and returns them.
func (c *collector) await(t testing.TB, n int) []*event.Event {
	t.Helper()
	deadline := time.After(testenv.Wait)
	for {
		c.mu.Lock()
		events := c.events
		c.mu.Unlock()
		if len(events) >= n {
			return events
		}
		select {
		case <-c.arrived:
		case <-deadline:
			t.Fatalf("%d events of %d", len(events), n)
		}
	}
}

func newSource(t testing.TB, set func(*Options)) *source {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.URL = options.NewURL(testenv.Postgres(t).URL())
	if set != nil {
		set(o)
	}
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*source)
}

// runningSource is a source that runs repeatedly, as in the router, until stop.
type runningSource struct {
	*collector
	source *source
	stop   func()
	errs   chan error // of the runs that ended
}

func start(t testing.TB, set func(*Options), out *collector) *runningSource {
	t.Helper()
	return startSource(t, newSource(t, set), out)
}

func startSource(t testing.TB, s *source, out *collector) *runningSource {
	t.Helper()
	return startOutput(t, s, out, out)
}

// startOutput runs a source with an output that collects in c.
func startOutput(t testing.TB, s *source, c *collector, out plugin.Output) *runningSource {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	st := &runningSource{collector: c, source: s, errs: make(chan error, 10_000)}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := s.Run(ctx, out); err != nil {
				st.errs <- err
				time.Sleep(10 * time.Millisecond) // as the router's backoff
			}
		}
	}()
	stopped := false
	st.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		<-done
		closing, cancel := context.WithTimeout(context.Background(), testenv.Wait)
		defer cancel()
		if err := s.Close(closing); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(st.stop)
	select {
	case <-c.ready:
	case err := <-st.errs:
		t.Fatal(err)
	case <-time.After(testenv.Wait):
		t.Fatal("it is not ready")
	}
	return st
}

// awaitCursor waits until the stored cursor fulfills a condition.
func awaitCursor(t testing.TB, db *pgx.Conn, condition string) {
	t.Helper()
	var hi, low, rows int64
	var gaps string
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		var ok bool
		err := db.QueryRow(testenv.Context(t), `SELECT hi, gaps::text, low, (SELECT count(*) FROM gateway.outbox), `+condition+` FROM gateway.outbox_reader`).Scan(&hi, &gaps, &low, &rows, &ok)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		if time.Since(begin) > testenv.Wait {
			t.Fatalf("hi %d, gaps %s, low %d, %d rows: never %s", hi, gaps, low, rows, condition)
		}
	}
}

// change is a payload with output: change.
type change struct {
	Operation, Table string
	ID               int64
	At               time.Time
	Old, New         map[string]any
}

func changeOf(t testing.TB, e *event.Event) (c change) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &c); err != nil {
		t.Fatalf("%s: %v", e.Data, err)
	}
	return c
}

func asChange(o *Options) { o.Output = "change" }

// session is a further session of the database, for transactions side by side.
func newSession(t testing.TB) *pgx.Conn { t.Helper(); return testenv.Connect(t) }

var _ plugin.Output = (*collector)(nil)

func joinEvents(events []*event.Event, text func(*event.Event) string) string {
	out := ""
	for _, e := range events {
		out += text(e) + " "
	}
	return fmt.Sprint(out)
}
