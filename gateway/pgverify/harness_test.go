package pgverify_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/pgverify"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/sinks/file"
	"eventgateway/sinks/redisstream"
	"eventgateway/sources/postgresnotify"
	"eventgateway/sources/postgresoutbox"
)

// verify runs gateway verify, and returns what it prints and its exit status.
func verify(t testing.TB, in io.Reader, args ...string) (out string, status int, err error) {
	t.Helper()
	var b strings.Builder
	f := flag.NewFlagSet("verify", flag.ContinueOnError)
	run := pgverify.Command().New(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	urls := map[string]string{"DATABASE_URL": testenv.Postgres(t).URL()}
	err = run(t.Context(), plugin.Invocation{Args: f.Args(), In: in, Out: &b, Lookup: func(name string) (string, bool, error) {
		url, set := urls[name]
		return url, set, nil
	}})
	return b.String(), plugin.ExitStatus(err), err
}

// equal fails unless all rows are equal.
func equal(t testing.TB, rows int, in io.Reader, args ...string) {
	t.Helper()
	out, status, err := verify(t, in, args...)
	if want := fmt.Sprintf(" %d rows compared, %[1]d equal, 0 missing, 0 different, 0 extra\n", rows); err != nil || status != 0 || !strings.Contains(out, want) {
		t.Fatalf("%q: exit status %d, %v, printed\n%s", args, status, err, out)
	}
}

func exec(t testing.TB, db *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql, args...); err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
}

// reset recreates the database with the tables of ddl, of which the named ones have the triggers of an outbox.
func reset(t testing.TB, ddl string, tables ...string) *pgx.Conn {
	t.Helper()
	db := testenv.Connect(t)
	exec(t, db, `DROP SCHEMA IF EXISTS gateway CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public;`+ddl)
	var o pgtrigger.Outbox
	for _, name := range tables {
		table, err := pgtrigger.ParseTable(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Tables = append(o.Tables, table)
	}
	exec(t, db, o.CreateSQL())
	return db
}

// fileSink returns a sink that writes into a file of the test, and its path.
func fileSink(t testing.TB, format string, rotate int) (plugin.Sink, string) {
	t.Helper()
	o := file.Type().Defaults().(*file.Options)
	o.Path, o.Format, o.Sync, o.Rotate.Size = filepath.Join(t.TempDir(), "orders.jsonl"), format, "never", options.Size(rotate)
	return openSink(t, file.Type(), o), o.Path
}

// streamSink returns a sink that writes into a stream of the test's Redis, and its name.
func streamSink(t testing.TB) (plugin.Sink, string) {
	t.Helper()
	o := redisstream.Type().Defaults().(*redisstream.Options)
	stream := "orders:" + t.Name()
	o.URL = options.NewURL(testenv.Redis(t).URL())
	if err := o.Stream.UnmarshalText([]byte(stream)); err != nil {
		t.Fatal(err)
	}
	return openSink(t, redisstream.Type(), o), stream
}

func openSink(t testing.TB, typ plugin.SinkType, o any) plugin.Sink {
	t.Helper()
	sink, err := typ.Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.(plugin.Opener).Open(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.(plugin.Closer).Close(context.Background()) })
	return sink
}

// receiver is a running source whose events are written to sinks.
type receiver struct {
	plugintest.Output
	sinks []plugin.Sink
	ready chan struct{}
	marks map[string]chan struct{} // get a signal for each event with this key that is written

	mu      sync.Mutex
	events  int
	failed  error
	arrived chan struct{}
}

// outboxSource returns a source of the changes of tables, with their rows; of all tables without rows if none is named.
func outboxSource(t testing.TB, output string, tables ...string) plugin.Source {
	t.Helper()
	o := postgresoutbox.Type().Defaults().(*postgresoutbox.Options)
	o.URL, o.Output, o.Tables = options.NewURL(testenv.Postgres(t).URL()), output, tables
	if len(tables) > 0 {
		o.Snapshot = "initial"
	}
	return buildSource(t, postgresoutbox.Type(), o)
}

func notifySource(t testing.TB) plugin.Source {
	t.Helper()
	o := postgresnotify.Type().Defaults().(*postgresnotify.Options)
	o.URL, o.Channels = options.NewURL(testenv.Postgres(t).URL()), []string{"orders_channel"}
	return buildSource(t, postgresnotify.Type(), o)
}

func buildSource(t testing.TB, typ plugin.SourceType, o any) plugin.Source {
	t.Helper()
	s, err := typ.Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// receive runs a source until the test ends.
func receive(t testing.TB, source plugin.Source, sinks ...plugin.Sink) *receiver {
	t.Helper()
	return receiveMarks(t, nil, source, sinks...)
}

// receiveMarks is receive with marks.
func receiveMarks(t testing.TB, marks map[string]chan struct{}, source plugin.Source, sinks ...plugin.Sink) *receiver {
	t.Helper()
	r := &receiver{sinks: sinks, marks: marks, ready: make(chan struct{}, 1), arrived: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, r) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if closer, ok := source.(plugin.Closer); ok {
			if err := closer.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	select {
	case <-r.ready:
	case <-time.After(testenv.Wait):
		t.Fatal("the source is not ready")
	}
	return r
}

func (r *receiver) Ready() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

func (r *receiver) Gap(string) {}

func (r *receiver) Emit(ctx context.Context, b event.Batch) error {
	var err error
	for _, s := range r.sinks {
		if err == nil {
			err = s.Write(ctx, b.Events)
		}
	}
	r.mu.Lock()
	r.events += len(b.Events)
	r.failed = err
	r.mu.Unlock()
	if b.Ack != nil {
		b.Ack.Settle(err)
	}
	for _, e := range b.Events {
		if mark := r.marks[e.Key]; mark != nil {
			mark <- struct{}{}
		}
	}
	select {
	case r.arrived <- struct{}{}:
	default:
	}
	return err
}

// await waits until n events in all are written.
func (r *receiver) await(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(testenv.Wait)
	for {
		r.mu.Lock()
		events, err := r.events, r.failed
		r.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if events >= n {
			return
		}
		select {
		case <-r.arrived:
		case <-deadline:
			t.Fatalf("%d events of %d", events, n)
		}
	}
}

// readFile returns the text of a file.
func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// writeFile returns the path of a new file with a text.
func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "received.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
