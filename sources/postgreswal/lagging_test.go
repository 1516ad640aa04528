package postgreswal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// blockingOutput is an output whose Emit blocks on demand, as a full queue does.
type blockingOutput struct {
	*sourcetest.Collector
	blocked chan struct{} // has a value while an Emit is blocked; its capacity is 1

	mu   sync.Mutex
	gate chan struct{} // closed to open it; nil: open
}

func newBlockingOutput() *blockingOutput {
	return &blockingOutput{Collector: sourcetest.NewCollector(), blocked: make(chan struct{}, 1)}
}

func (o *blockingOutput) Emit(ctx context.Context, b event.Batch) error {
	o.mu.Lock()
	gate := o.gate
	o.mu.Unlock()
	if gate != nil {
		signal(o.blocked)
		select {
		case <-gate:
		case <-ctx.Done():
			b.Ack.Settle(ctx.Err())
			return ctx.Err()
		}
	}
	return o.Collector.Emit(ctx, b)
}

// block blocks each Emit until the returned function is called.
func (o *blockingOutput) block() (unblock func()) {
	gate := make(chan struct{})
	o.mu.Lock()
	o.gate = gate
	o.mu.Unlock()
	return sync.OnceFunc(func() {
		o.mu.Lock()
		o.gate = nil
		o.mu.Unlock()
		close(gate)
	})
}

// lagging is a server, and a source of its table items that is blocked on demand.
type lagging struct {
	t      *testing.T
	server *testenv.PostgresServer
	db     *pgx.Conn
	set    func(*Options)
	next   int // id of the next item
}

// newLagging starts a server. set changes the options.
func newLagging(t *testing.T, set func(*Options)) *lagging {
	server := testenv.StartPostgres(t, "-c", "max_wal_size=8MB")
	l := &lagging{t: t, server: server, db: testenv.ConnectTo(t, server), next: 1}
	sourcetest.Exec(t, l.db, sourcetest.ItemsSQL+"CREATE TABLE busy (note text)")
	kind.Install(t, l.db, "items")
	l.set = func(o *Options) {
		o.URL, o.Output, o.Tables = options.NewURL(server.URL()), "change", []string{"items"}
		o.MaxLag.Bytes = 4 << 20
		set(o)
	}
	return l
}

// build returns a source that measures often.
func (l *lagging) build() *source {
	s := newSource(l.t, l.set)
	s.monitorEvery, s.measureEvery = 20*time.Millisecond, 50*time.Millisecond
	return s
}

// start runs a source until the test ends.
func (l *lagging) start(out *blockingOutput) (*sourcetest.Follower, *source) {
	s := l.build()
	gaps := sourcetest.RecordGaps(out.Collector)
	return &sourcetest.Follower{Running: sourcetest.Start(l.t, s, out.Collector, out), Gaps: gaps}, s
}

// write writes n items, one for each transaction but for some of many, and megabytes of another table.
func (l *lagging) write(n, megabytes int) {
	l.t.Helper()
	for until := l.next + n; l.next < until; {
		size := 1
		if l.next%10 == 0 {
			size = min(50, until-l.next)
		}
		sourcetest.Exec(l.t, l.db, sourcetest.InsertItems, l.next, l.next+size-1, 1)
		l.next += size
	}
	writeMegabytes(l.t, l.db, "busy", megabytes)
}

// awaitWALRemoved waits until the server has removed its WAL up to some MiB.
func (l *lagging) awaitWALRemoved() {
	l.t.Helper()
	testenv.Eventually(l.t, testenv.Wait, "the server removes its WAL", func() bool {
		sourcetest.Exec(l.t, l.db, "INSERT INTO busy VALUES ('x')") // else the server has no reason to log which transactions run
		sourcetest.Exec(l.t, l.db, "CHECKPOINT")
		return l.walSize() < 16<<20
	}, func() string { return fmt.Sprint(l.walSize()>>20, " MiB; ", l.slot()) })
}

func (l *lagging) walSize() (size int64) {
	l.t.Helper()
	if err := l.db.QueryRow(testenv.Context(l.t), "SELECT sum(size)::bigint FROM pg_ls_waldir()").Scan(&size); err != nil {
		l.t.Fatal(err)
	}
	return size
}

// slot returns the state of the slot as text; "" if there is none.
func (l *lagging) slot() (text string) {
	l.t.Helper()
	if err := l.db.QueryRow(testenv.Context(l.t), `SELECT coalesce((SELECT format('restart %s confirmed %s of %s', restart_lsn, confirmed_flush_lsn, pg_current_wal_lsn())
		FROM pg_replication_slots WHERE slot_name = 'gateway'), '')`).Scan(&text); err != nil {
		l.t.Fatal(err)
	}
	return text
}

// requireInOrder checks that all items were delivered once, in the order of their ids.
func (l *lagging) requireInOrder(events []*event.Event) {
	l.t.Helper()
	for i, e := range events {
		if id := int(sourcetest.ChangeOf(l.t, e).New["id"].(float64)); id != i+1 {
			l.t.Fatalf("event %d is item %d", i+1, id)
		}
	}
	if len(events) != l.next-1 {
		l.t.Errorf("%d events of %d", len(events), l.next-1)
	}
}

// spooled has the source spool into a new folder.
func spooled(t *testing.T) func(*Options) {
	dir := filepath.Join(t.TempDir(), "spool")
	return func(o *Options) { o.MaxLag.Then, o.Spool.Path = "spool", dir }
}

// folderSize returns the size of the segments of a spool.
func folderSize(path string) (size int64) {
	entries, _ := os.ReadDir(path) // none: it is not made yet
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.Trim(e.Name(), "0123456789ABCDEF") == "" {
			size += info.Size()
		}
	}
	return size
}
