package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// bigRows is how many rows the table big has. Together they exceed all buffers between the gateway and a client.
const bigRows = 100_000

// makeBig creates the table big.
func makeBig(t *testing.T) {
	t.Helper()
	execSQL(t, testenv.Connect(t), fmt.Sprintf("DROP TABLE IF EXISTS big; CREATE TABLE big (id int PRIMARY KEY, note text); INSERT INTO big SELECT n, repeat('x', 500) FROM generate_series(1, %d) n", bigRows))
}

// slowSnapshot is a snapshot whose client has read only the first line.
type slowSnapshot struct {
	t      *testing.T
	body   *bufio.Reader
	cancel context.CancelFunc
}

func openSnapshot(t *testing.T, server *httptest.Server, query string, header http.Header) *slowSnapshot {
	t.Helper()
	ctx, cancel := context.WithCancel(testenv.Context(t))
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	in := &slowSnapshot{t, bufio.NewReader(resp.Body), cancel}
	if line, err := in.body.ReadString('\n'); err != nil || !strings.HasPrefix(line, `{"epoch":"`) {
		t.Fatalf("%d: the first line is %q, %v", resp.StatusCode, line, err)
	}
	return in
}

// rest reads the rest, and returns the number of lines and the last one.
func (in *slowSnapshot) rest() (n int, last string) {
	in.t.Helper()
	for {
		line, err := in.body.ReadString('\n')
		if err != nil {
			return n, strings.TrimSpace(last)
		}
		n, last = n+1, line
	}
}

// TestSnapshotOfLargeTable: 100,000 rows are streamed, and the gateway holds a few pages of them at a time.
func TestSnapshotOfLargeTable(t *testing.T) {
	makeBig(t)
	s, server := newSink(t, withTable(t, "big"), httptest.NewServer)
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	in := openSnapshot(t, server, "snapshot=big", nil)
	var most uint64
	n, bytes := 0, 0
	for {
		line, err := in.body.ReadSlice('\n')
		if err != nil {
			t.Fatal(err)
		}
		if bytes += len(line); string(line[:9]) == `{"complet` {
			break
		}
		if n++; n%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
	}
	if n != bigRows {
		t.Errorf("%d rows", n)
	}
	if most > 20<<20 || bytes < 50<<20 {
		t.Errorf("%d bytes of memory for %d bytes", most, bytes)
	}
	testenv.Eventually(t, testenv.Wait, "counted", func() bool { return testutil.ToFloat64(s.metrics.snapshotRows) == bigRows })
	t.Logf("%d bytes of memory for %d bytes", most, bytes)
}

// TestSlowSnapshotHoldsNothing: a client that does not read holds no lock and no session, ends after write_timeout, and counts
// until then. If the table is dropped meanwhile, the snapshot ends with an error.
func TestSlowSnapshotHoldsNothing(t *testing.T) {
	makeBig(t)
	s, server := newSink(t, func(o *Options) {
		withTable(t, "big")(o)
		o.Snapshot.Clients = 1
	}, httptest.NewServer)
	in := openSnapshot(t, server, "snapshot=big", nil)
	if a := requestSnapshot(t, server, "snapshot=big", nil); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("a second snapshot: %d %s", a.status, a.text)
	}
	db := testenv.Connect(t)
	testenv.WaitForSQL(t, db, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'eventgateway conformance' AND state <> 'idle')")
	execSQL(t, db, "SET lock_timeout = '20s'; DROP TABLE big")
	if n, last := in.rest(); last != snapshotErrorText(errSnapshotFailed) || n > bigRows {
		t.Errorf("%d lines, the last is %.200s", n, last)
	}
	awaitNoSnapshot(t, s)
	if got := testutil.ToFloat64(s.metrics.snapshots.WithLabelValues("failed")); got != 1 {
		t.Errorf("%v snapshots failed", got)
	}
	testenv.WaitForSQL(t, db, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'eventgateway conformance')")
}

func snapshotErrorText(err error) string { return string(snapshotError(err)) }

func awaitNoSnapshot(t *testing.T, s *sink) {
	t.Helper()
	testenv.Eventually(t, testenv.Wait, "no snapshot", func() bool {
		s.snapshots.mu.Lock()
		defer s.snapshots.mu.Unlock()
		return s.snapshots.active == 0
	})
}

// TestSnapshotEnds: a snapshot ends when its client leaves or stands still, at snapshot.timeout, when the token expires, when the
// position is lost, and when the gateway stops. Where the client still reads, the last line is the reason.
func TestSnapshotEnds(t *testing.T) {
	makeBig(t)
	const token = "0123456789abcdef"
	for name, c := range map[string]struct {
		set  func(*Options)
		end  func(t *testing.T, s *sink, in *slowSnapshot)
		want error // nil: the client does not read it
	}{
		"gone":    {nil, func(_ *testing.T, _ *sink, in *slowSnapshot) { in.cancel() }, nil},
		"stuck":   {func(o *Options) { o.WriteTimeout = options.Duration(200 * time.Millisecond) }, nil, nil},
		"timeout": {func(o *Options) { o.Snapshot.Timeout = options.Duration(time.Second) }, func(t *testing.T, s *sink, _ *slowSnapshot) { awaitNoSnapshot(t, s) }, nil},
		"history": {func(o *Options) { o.History.Events = 10 }, func(t *testing.T, s *sink, _ *slowSnapshot) { s.send(t, orders(0, 20_000)...) }, errSnapshotPosition},
		"gap": {nil, func(t *testing.T, s *sink, _ *slowSnapshot) {
			if err := s.Gap(t.Context(), plugin.Gap{Reason: "x"}); err != nil {
				t.Error(err)
			}
		}, errSnapshotPosition},
		"stop": {nil, func(t *testing.T, s *sink, _ *slowSnapshot) {
			if err := s.Close(testenv.Context(t)); err != nil {
				t.Error(err)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, server := newSink(t, func(o *Options) {
				withTable(t, "big")(o)
				o.Auth.Tokens = options.Map[options.Secret]{{Key: "me", Value: options.NewSecret(token)}}
				if c.set != nil {
					c.set(o)
				}
			}, httptest.NewServer)
			in := openSnapshot(t, server, "snapshot=big", bearerHeader(token))
			if c.end != nil {
				c.end(t, s, in)
			}
			if c.want != nil {
				if n, last := in.rest(); last != snapshotErrorText(c.want) || n > bigRows {
					t.Errorf("%d lines, the last is %.200s", n, last)
				}
			}
			awaitNoSnapshot(t, s)
			if got := testutil.ToFloat64(s.metrics.snapshots.WithLabelValues("cut")); got != 1 {
				t.Errorf("%v snapshots were cut", got)
			}
		})
	}
}

// TestSnapshotContext: the token, the time and the stop of the gateway end the context of a snapshot, with their reasons.
func TestSnapshotContext(t *testing.T) {
	s, _ := newSink(t, func(o *Options) {
		withTable(t, "big")(o)
		o.Snapshot.Timeout = options.Duration(time.Second)
	}, httptest.NewServer)
	for _, c := range []struct {
		expires time.Time
		stop    bool
		want    error
	}{{time.Time{}, false, errSnapshotTimeout}, {time.Now(), false, errSnapshotExpired}, {time.Time{}, true, errSnapshotStopped}} {
		if c.stop {
			s.snapshots.end()
		}
		ctx, cancel := s.snapshotContext(t.Context(), c.expires)
		<-ctx.Done()
		if err := context.Cause(ctx); !errors.Is(err, c.want) {
			t.Errorf("the cause is %v, want %v", err, c.want)
		}
		cancel()
	}
}

// TestSnapshotFilterTime: a filter that takes more than limits.filter_time pauses, so it takes no core, and its address gets no further
// filter.
func TestSnapshotFilterTime(t *testing.T) {
	makeBig(t)
	s, server := newSink(t, func(o *Options) {
		withTable(t, "big")(o)
		o.Limits.FilterTime = options.Duration(time.Millisecond)
		o.Limits.FiltersPerAddress = 1
		o.History.Events = 1000
		o.Snapshot.Timeout = options.Duration(3 * time.Second)
	}, httptest.NewServer)
	costly := "snapshot=big&filter=" + url.QueryEscape(`lower(upper(lower(upper(new.note)))) contains "y" || new.note matches "(x+)+y$"`)
	in := openSnapshot(t, server, costly, nil)
	if _, last := in.rest(); last != snapshotErrorText(errSnapshotTimeout) {
		t.Errorf("the last line is %.200s", last)
	}
	if rows := testutil.ToFloat64(s.metrics.snapshotRows); rows != 0 {
		t.Errorf("%v rows", rows)
	}
	f := newRowFilter(s, subscription{channels: []string{"x"}}, "", "public.big")
	f.budget = expr.NewTimeBudget(2 * time.Millisecond)
	begun := time.Now()
	if err := f.pause(t.Context(), 2500*time.Microsecond); err != nil || time.Since(begun) < 300*time.Millisecond { // half a millisecond too much, at a millisecond a second
		t.Errorf("a pause of %v, %v", time.Since(begun), err)
	}
	if a := requestSnapshot(t, server, costly, nil); a.status != 429 {
		t.Errorf("a further filter: %d %s %+v", a.status, a.text, a.last)
	}
}

// TestSnapshotPageTimeout: a page whose rows take too long to read is read again with fewer rows.
func TestSnapshotPageTimeout(t *testing.T) {
	execSQL(t, testenv.Connect(t), `DROP TABLE IF EXISTS slow; DROP TYPE IF EXISTS slowly CASCADE; CREATE TYPE slowly AS ENUM ('a'); CREATE FUNCTION slowly_json(slowly) RETURNS json LANGUAGE sql VOLATILE AS $$ SELECT to_json(pg_sleep(0.2)::text) $$;
		CREATE CAST (slowly AS json) WITH FUNCTION slowly_json(slowly); CREATE TABLE slow (id int PRIMARY KEY, e slowly); INSERT INTO slow SELECT n, 'a' FROM generate_series(1, 5) n`)
	config, err := pgconn.PrimaryConfig(options.NewURL(testenv.Postgres(t).URL()), "test")
	if err != nil {
		t.Fatal(err)
	}
	pool := newRowReaders(config, nil)
	defer pool.closeIdle()
	for range snapshotSessions {
		reader := <-pool.idle
		reader.Timeout = 800 * time.Millisecond
		pool.idle <- reader
	}
	p, n := newPages(pool, `"public"."slow"`), 0
	for {
		rows, err := p.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		n += len(rows)
		p.size = 32 // as before
	}
	if n != 5 {
		t.Errorf("%d rows", n)
	}
}
