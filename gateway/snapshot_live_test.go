package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	wssink "eventgateway/sinks/websocket"
	"eventgateway/sources/postgresoutbox"
)

// delayedPipeline brings the events of a source to a sink in order, with random delays, as queues and Redis do.
type delayedPipeline struct {
	plugintest.Output
	ready chan struct{}
	queue chan func(plugin.Sink)
}

func (p *delayedPipeline) Ready() { close(p.ready) }

func (p *delayedPipeline) Gap(reason string) {
	p.queue <- func(to plugin.Sink) { _ = to.(plugin.GapSink).Gap(context.Background(), plugin.Gap{Reason: reason}) }
}

func (p *delayedPipeline) Emit(ctx context.Context, b event.Batch) error {
	events := append([]*event.Event(nil), b.Events...)
	p.queue <- func(to plugin.Sink) {
		err := to.Write(context.Background(), events)
		if b.Ack != nil {
			b.Ack.Settle(err)
		}
	}
	return nil
}

// run delivers until the queue is closed.
func (p *delayedPipeline) run(to plugin.Sink) {
	for deliver := range p.queue {
		if rand.IntN(3) == 0 {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		}
		deliver(to)
	}
}

// startPipeline starts postgres-outbox and the sink websocket for the table things, and returns the server of the sink.
func startPipeline(t *testing.T) *httptest.Server {
	t.Helper()
	database := options.NewURL(testenv.Postgres(t).URL())
	in := postgresoutbox.Type().Defaults().(*postgresoutbox.Options)
	in.URL, in.Tables, in.Output = database, []string{"things"}, "change"
	source, err := postgresoutbox.Type().Build(in, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	out := wssink.Type().Defaults().(*wssink.Options)
	out.Snapshot.URL, out.Snapshot.Tables, out.Snapshot.Output = database, []string{"things"}, "change"
	env := plugintest.Env(t)
	sink, err := wssink.Type().Build(out, env)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(env.HTTP.(*plugintest.Mounter).Upgrades)
	p := &delayedPipeline{ready: make(chan struct{}), queue: make(chan func(plugin.Sink), 100_000)}
	ctx, cancel := context.WithCancel(context.Background())
	var running, delivering sync.WaitGroup
	running.Go(func() {
		if err := source.Run(ctx, p); err != nil {
			t.Error(err)
		}
	})
	delivering.Go(func() { p.run(sink) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		close(p.queue)
		delivering.Wait()
		for _, c := range []any{source, sink} {
			if err := c.(plugin.Closer).Close(testenv.Context(t)); err != nil {
				t.Error(err)
			}
		}
		server.Close()
	})
	<-p.ready
	p.Gap("of the start") // before any message
	return server
}

// view is the state of a client: the rows by id.
type view struct {
	rows     map[int]int
	fence    bool // the last change was applied
	snapshot int  // rows of it
}

type thing struct{ ID, V int }

// apply applies the payload of an event.
func (v *view) apply(t *testing.T, payload []byte, leave bool) {
	var m struct {
		Operation string
		Old, New  *thing
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Errorf("%s: %v", payload, err)
	}
	if m.Operation == "TRUNCATE" {
		clear(v.rows)
	}
	if m.Old != nil {
		delete(v.rows, m.Old.ID)
	}
	if m.New != nil && !leave {
		v.rows[m.New.ID] = m.New.V
		v.fence = v.fence || m.New.ID == fence && m.Operation != "READ"
	}
}

// fence is the id of a row that is written again and again behind all other changes.
const fence = 1_000_000

// follow takes a snapshot, subscribes from its position, and applies everything until the fence. If messages were missed, it begins
// again.
func follow(t *testing.T, server *httptest.Server, filter string) (v view, attempts int) {
	for {
		attempts++
		v = view{rows: map[int]int{}}
		query := url.Values{}
		if filter != "" {
			query.Set("filter", filter)
		}
		position := v.readSnapshot(t, server, query)
		if position == nil {
			continue
		}
		maps.Copy(query, position)
		if v.readLive(t, server, query) {
			return v, attempts
		}
	}
}

// readSnapshot applies a snapshot, and returns its position; nil if it was not complete.
func (v *view) readSnapshot(t *testing.T, server *httptest.Server, query url.Values) url.Values {
	resp, err := http.Get(server.URL + "/?snapshot=things&" + query.Encode())
	if err != nil {
		t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable { // the table was truncated while its snapshot began: the client tries again
		return nil
	}
	in := bufio.NewScanner(resp.Body)
	in.Scan()
	var at struct {
		Epoch        string
		Offset, Seen json.RawMessage
	}
	if err := json.Unmarshal(in.Bytes(), &at); err != nil {
		t.Errorf("%s: %v", in.Bytes(), err)
	}
	for in.Scan() {
		if strings.HasPrefix(in.Text(), `{"error"`) {
			return nil
		}
		if strings.HasPrefix(in.Text(), `{"complete":true`) {
			return url.Values{"epoch": {at.Epoch}, "offset": {strings.Trim(string(at.Offset), `"`)}, "seen": {string(at.Seen)}}
		}
		v.snapshot++
		v.apply(t, in.Bytes(), false)
	}
	t.Errorf("the snapshot was cut: %v", in.Err())
	return nil
}

// readLive applies messages until the fence. It returns false if messages were missed.
func (v *view) readLive(t *testing.T, server *httptest.Server, query url.Values) bool {
	dialer := websocket.Dialer{Subprotocols: []string{"eventgateway.v2"}}
	conn, _, err := dialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+query.Encode(), nil)
	if err != nil {
		t.Error(err)
		return false
	}
	defer conn.Close()
	for !v.fence {
		conn.SetReadDeadline(time.Now().Add(testenv.Wait))
		kind, text, err := conn.ReadMessage()
		if err != nil {
			t.Error(err)
			return true
		}
		if kind == websocket.TextMessage {
			v.apply(t, text, false)
			continue
		}
		var m struct {
			Type      string
			Message   json.RawMessage
			Recovered *bool
		}
		if err := json.Unmarshal(text, &m); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		switch {
		case m.Type == "leave":
			v.apply(t, m.Message, true)
		case m.Type == "gap", m.Type == "subscribed" && (m.Recovered == nil || !*m.Recovered):
			return false
		}
	}
	return true
}

// writeThings makes random changes: of single rows, of several in a transaction, of keys, and truncates.
func writeThings(t *testing.T, conn *pgx.Conn, seed uint64, changes int, truncates bool, done *atomic.Int64) {
	r := rand.New(rand.NewPCG(seed, seed))
	ctx := testenv.Context(t)
	for range changes {
		done.Add(1)
		id, v := 1+r.IntN(1500), r.IntN(100)
		sql := ""
		switch r.IntN(10) {
		case 0, 1, 2:
			sql = fmt.Sprintf("INSERT INTO things VALUES (%d, %d) ON CONFLICT (id) DO UPDATE SET v = excluded.v", id, v)
		case 3, 4, 5:
			sql = fmt.Sprintf("UPDATE things SET v = %d WHERE id = %d", v, id)
		case 6:
			sql = fmt.Sprintf("DELETE FROM things WHERE id = %d", id)
		case 7:
			sql = fmt.Sprintf("UPDATE things SET id = %d WHERE id = %d AND NOT EXISTS (SELECT FROM things WHERE id = %[1]d)", 1+r.IntN(1500), id)
		case 8:
			sql = fmt.Sprintf("BEGIN; DELETE FROM things WHERE id = %d; INSERT INTO things VALUES (%[1]d, %d); SELECT pg_sleep(0.005); UPDATE things SET v = %d WHERE id BETWEEN %[1]d AND %d; COMMIT", id, v, r.IntN(100), id+3)
		case 9:
			if sql = "SELECT"; truncates && r.IntN(20) == 0 {
				sql = fmt.Sprintf("BEGIN; TRUNCATE things; INSERT INTO things SELECT n, n %% 100 FROM generate_series(1, %d) n; COMMIT", r.IntN(1500))
			}
		}
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil { // a conflict of keys, or a deadlock
			_, _ = conn.PgConn().Exec(ctx, "ROLLBACK").ReadAll()
		}
	}
}

// TestSnapshotThenLiveConverges: with writers at the same time, a client that applies a snapshot of a random moment, and then the
// messages from its position, ends with the rows of the table that its filter shows.
func TestSnapshotThenLiveConverges(t *testing.T) {
	for round, filter := range []string{"", "new.v >= 50", `new.v >= 50 && new.id % 2 == 0 || new.v == 7`} {
		t.Run(filter, func(t *testing.T) {
			dropOutbox(t)
			t.Cleanup(func() { dropOutbox(t) })
			execSQL(t, "DROP TABLE IF EXISTS things; CREATE TABLE things (id int PRIMARY KEY, v int); INSERT INTO things SELECT n, n % 100 FROM generate_series(1, 1500) n")
			execSQL(t, pgtrigger.Outbox{Tables: []pgtrigger.Table{{Schema: "public", Name: "things"}}}.CreateSQL())
			server := startPipeline(t)
			var writers, followers sync.WaitGroup
			const changes = 900
			var done atomic.Int64
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			for n := range 3 {
				conn := testenv.Connect(t)
				writers.Go(func() { writeThings(t, conn, seed+uint64(n), changes/3, filter == "", &done) })
			}
			views, attempts := make([]view, 12), make([]int, 12)
			for i := range views {
				begin := rand.Int64N(changes)
				followers.Go(func() { // at a random moment of the writing
					for done.Load() < begin {
						time.Sleep(time.Millisecond)
					}
					views[i], attempts[i] = follow(t, server, filter)
				})
			}
			writers.Wait()
			ended := make(chan struct{})
			go func() { followers.Wait(); close(ended) }()
			conn := testenv.Connect(t)
			for over := false; !over; { // each client gets one of these live, behind all changes of the writers
				if _, err := conn.Exec(testenv.Context(t), "INSERT INTO things VALUES ($1, 98) ON CONFLICT (id) DO UPDATE SET v = 98", fence); err != nil {
					t.Fatal(err)
				}
				select {
				case <-ended:
					over = true
				case <-time.After(50 * time.Millisecond):
				}
			}
			want := map[int]int{}
			rows, err := testenv.Connect(t).Query(testenv.Context(t), "SELECT id, v FROM things WHERE "+[]string{"true", "v >= 50", "v >= 50 AND id % 2 = 0 OR v = 7"}[round])
			if err != nil {
				t.Fatal(err)
			}
			list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[thing])
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range list {
				want[one.ID] = one.V
			}
			for i, v := range views {
				if !maps.Equal(v.rows, want) {
					t.Errorf("client %d has %d rows, the table %d: %s", i, len(v.rows), len(want), difference(v.rows, want))
				}
				t.Logf("client %d: %d rows in the snapshot, %d at the end, %d attempts", i, v.snapshot, len(v.rows), attempts[i])
			}
		})
	}
}

// difference returns the first ids for which two states differ.
func difference(got, want map[int]int) string {
	var out []string
	for id := range 2000 {
		g, has := got[id]
		w, wanted := want[id]
		if (has != wanted || g != w) && len(out) < 10 {
			out = append(out, fmt.Sprintf("%d: got %d %v, want %d %v", id, g, has, w, wanted))
		}
	}
	return strings.Join(out, "; ")
}
