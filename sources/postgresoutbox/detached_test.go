package postgresoutbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// detach detaches the reader gateway, as a writer does.
func detach(t testing.TB) {
	t.Helper()
	sourcetest.Exec(t, newSession(t), "INSERT INTO gateway.outbox_detached (name, token, reason) SELECT name, token, 'of the test' FROM gateway.outbox_reader WHERE name = 'gateway'")
}

// TestDetachmentOutlivesCrash proves that a reader that was killed between its takeover and its report reports the gap
// after its next start.
func TestDetachmentOutlivesCrash(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	start(t, withBound(time.Hour, 0), sourcetest.NewCollector()).Stop()
	detach(t)
	writeItems(t, db, 1, 10)
	killed := &reader{s: newSource(t, withBound(time.Hour, 0)), conn: newSession(t), hasBound: true, hasHistoryColumns: true}
	if loaded, err := killed.load(testenv.Context(t)); err != nil || loaded.detached == "" {
		t.Fatalf("%+v, %v", loaded, err)
	}
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	st := start(t, withBound(time.Hour, 0), c)
	gaps.AwaitGap(t, "was detached")
	awaitDone(t, db)
	st.Stop()
	if got := sourcetest.OperationsOf(t, c.Events()); got != "R1 R2 R3 R4 R5 R6 R7 R8 R9 R10" {
		t.Errorf("got %s", got)
	}
}

// TestVoidDetachment proves that a detachment of an earlier token, which a writer commits late, detaches no reader.
func TestVoidDetachment(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	start(t, withBound(time.Hour, 0), sourcetest.NewCollector()).Stop()
	late := newSession(t)
	sourcetest.Exec(t, late, "BEGIN; INSERT INTO gateway.outbox_detached (name, token, reason) SELECT name, token, 'late' FROM gateway.outbox_reader")
	c := sourcetest.NewCollector()
	c.OnGap = func(reason string) { t.Errorf("gap: %s", reason) }
	st := start(t, withBound(time.Hour, 0), c)
	sourcetest.Exec(t, late, "COMMIT")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1, 0)")
	st.Await(t, 1)
	st.Stop()
	st = start(t, withBound(time.Hour, 0), c)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2, 0)")
	st.Await(t, 2)
	awaitDone(t, db)
	st.Stop()
	if len(st.Errs) > 0 {
		t.Errorf("a run has failed: %v", <-st.Errs)
	}
}

// TestOpenWriterWhileReaderComesBack proves that no writer waits for another one that has deleted changes, that a
// reader that comes back does not wait for it either, and that it gets that writer's changes when they commit.
func TestOpenWriterWhileReaderComesBack(t *testing.T) {
	db, open := resetDatabase(t, sourcetest.ItemsSQL, "items"), newSession(t)
	start(t, withBound(time.Hour, 0), sourcetest.NewCollector()).Stop()
	writeItems(t, db, 1, 3000)
	detach(t)
	sourcetest.Exec(t, open, "BEGIN; INSERT INTO items SELECT n, 0 FROM generate_series(10001, 13000) n") // above all others

	if n := count(t, open, "SELECT count(*) FROM gateway.outbox WHERE id <= 3000"); n == 3000 {
		t.Fatal("the writer has deleted nothing")
	}
	sourcetest.Exec(t, db, "SET lock_timeout = '1s'") // no writer waits for another
	writeItems(t, db, 3001, 10_000)
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} { // nor does the check fail a writer
		sourcetest.Exec(t, db, "BEGIN ISOLATION LEVEL "+level+"; SELECT FROM items LIMIT 1")
		writeItems(t, newSession(t), 20_000, 22_500)
		sourcetest.Exec(t, db, "INSERT INTO items SELECT n, 0 FROM generate_series(30001, 33000) n; COMMIT; DELETE FROM items WHERE id >= 20000")
	}
	c := sourcetest.NewCollector()
	gaps := sourcetest.RecordGaps(c)
	st := start(t, withBound(time.Hour, 0), c)
	st.Await(t, 10_000)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (0, 0)")
	st.Await(t, 10_001)
	sourcetest.Exec(t, open, "COMMIT")
	st.Await(t, 13_001)
	awaitDone(t, db)
	st.Stop()
	if n := gaps.AwaitGap(t, "was detached"); n != 1 || len(st.Errs) > 0 || st.Repeated() > 0 {
		t.Errorf("%d gaps, %d runs have failed, %d events came again", n, len(st.Errs), st.Repeated())
	}
}

// TestChaosWithBound runs writers while readers are killed, stopped and slow, under a bound that they exceed all the time.
// A reader misses no change without a gap before it, and has the state of the table at the end. A reader without a
// bound gets all changes, and no gap. SEED repeats a run.
func TestChaosWithBound(t *testing.T) {
	seed := uint64(sourcetest.EnvInt(t, "SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("SEED=%d", seed)
	const rows, rounds, writers = 400, 8, 3
	db := resetDatabase(t, sourcetest.ItemsSQL+fmt.Sprintf("INSERT INTO items SELECT n, 0 FROM generate_series(1, %d) n;", rows), "items")
	all := sourcetest.NewCollector()
	all.OnGap = func(reason string) { t.Errorf("the reader without a bound has a gap: %s", reason) }
	unbounded := start(t, func(o *Options) { asChange(o); o.Name = "all" }, all)
	out := &orderedOutput{Collector: sourcetest.NewCollector()}
	emitted := 0
	out.AckWith = func(*event.Event) error { // a slow sink
		if emitted++; emitted%100 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	}
	bounded := func(o *Options) { withBound(0, 100_000)(o); o.InFlight = 1000 }
	kill := newSession(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		var writing sync.WaitGroup
		for w := range writers {
			conn, rnd := newSession(t), rand.New(rand.NewPCG(rnd.Uint64(), uint64(w)))
			writing.Go(func() {
				for range 10 { // each has rows of its own
					end := "COMMIT"
					if rnd.IntN(5) == 0 {
						end = "ROLLBACK"
					}
					sql := fmt.Sprintf("BEGIN; UPDATE items SET v = v + 1 WHERE id %% %d = %d AND random() < 0.7;", writers, w)
					if rnd.IntN(3) == 0 {
						sql += fmt.Sprintf("DELETE FROM items WHERE id %% %d = %d AND random() < 0.1; INSERT INTO items SELECT n, 1000000 FROM generate_series(1, %d) n WHERE n %% %d = %d AND random() < 0.3 ON CONFLICT DO NOTHING;", writers, w, rows, writers, w)
					}
					if _, err := conn.Exec(context.Background(), sql+end); err != nil {
						t.Error(err)
					}
				}
			})
		}
		st := startOutput(t, newSource(t, bounded), out.Collector, out)
		for range 1 + rnd.IntN(3) {
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond) // when is a part of the chaos
			sourcetest.Exec(t, kill, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "eventgateway "+plugintest.Name)
		}
		if rnd.IntN(2) == 0 {
			st.Stop() // it is away while the rest is written
		}
		writing.Wait()
		st.Stop()
	}
	st := startOutput(t, newSource(t, bounded), out.Collector, out)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (-1, 0)")
	awaitDone(t, db)
	st.Stop()
	unbounded.Stop()

	state, gaps, missed := map[int]int{}, 0, 0
	for _, one := range out.order {
		if reason, isGap := one.(string); isGap { // a receiver forgets what it has, until it comes again
			gaps++
			state = map[int]int{}
			if !strings.Contains(reason, "was detached") {
				t.Errorf("gap: %s", reason)
			}
			continue
		}
		c := sourcetest.ChangeOf(t, one.(*event.Event))
		row := c.New
		if row == nil {
			row = c.Old
		}
		id, v := int(row["id"].(float64)), int(row["v"].(float64))
		before, known := state[id]
		switch {
		case c.Operation == "READ" && known && v < before, c.Operation == "UPDATE" && known && v > before+1, c.Operation == "DELETE" && known && v > before:
			t.Errorf("row %d: %s %d after %d", id, c.Operation, v, before)
			missed++
		}
		if c.Operation == "DELETE" {
			delete(state, id)
		} else if !known || v > before || c.Operation == "INSERT" {
			state[id] = v
		}
	}
	want := map[int]int{}
	found, err := db.Query(testenv.Context(t), "SELECT id, v FROM items")
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		var id, v int
		if err := found.Scan(&id, &v); err != nil {
			t.Fatal(err)
		}
		want[id] = v
	}
	wrong := len(state) - len(want)
	for id, v := range want {
		if state[id] != v {
			wrong++
		}
	}
	t.Logf("%d events and gaps, %d gaps, %d events of the other reader", len(out.order), gaps, len(all.Events()))
	if wrong != 0 || gaps == 0 {
		t.Errorf("%d rows differ from the table, %d gaps", wrong, gaps)
	}
	state = map[int]int{}
	for _, e := range all.Events() { // it began after the first rows were there
		c := sourcetest.ChangeOf(t, e)
		row := c.New
		if row == nil {
			row = c.Old
		}
		id, v := int(row["id"].(float64)), int(row["v"].(float64))
		before, known := state[id]
		if state[id] = v; c.Operation == "UPDATE" && known && v != before+1 || c.Operation == "DELETE" && known && v != before || c.Operation == "INSERT" && known {
			t.Errorf("the other reader: row %d: %s %d after %d", id, c.Operation, v, before)
		}
		if c.Operation == "DELETE" {
			delete(state, id)
		}
	}
	for id, v := range state {
		if want[id] != v {
			t.Errorf("the other reader: row %d is %d, want %d", id, v, want[id])
		}
	}
}
