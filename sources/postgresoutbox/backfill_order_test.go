package postgresoutbox

import (
	"context"
	"errors"
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

// TestBackfillWaitsForOpenChange proves that a row that an open transaction has changed is sent after the change, that nothing is
// locked meanwhile, and that no deadlock ends the user's transaction.
func TestBackfillWaitsForOpenChange(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+"INSERT INTO items SELECT n, 0 FROM generate_series(1, 100) n;", "items")
	st := start(t, asChange, sourcetest.NewCollector())
	open := newSession(t)
	sourcetest.Exec(t, open, "BEGIN; UPDATE items SET v = 1 WHERE id = 7; DELETE FROM items WHERE id = 9")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if out, err := runOutbox(testenv.Context(t), t, testenv.Postgres(t).URL(), "backfill", "--table", "items"); err != nil || out != "99 rows of public.items are sent again\n" {
			t.Errorf("%s, %v", out, err)
		}
	}()
	st.Await(t, 6)
	sourcetest.Exec(t, open, "UPDATE items SET v = 2 WHERE id = 3") // the backfill has sent it
	sourcetest.Exec(t, db, "UPDATE items SET v = 1 WHERE id IN (5, 8)")
	st.Await(t, 8)
	sourcetest.Exec(t, open, "COMMIT")
	<-ended
	latest := map[string]int{}
	for _, e := range st.Await(t, 99+5) {
		c := sourcetest.ChangeOf(t, e)
		if c.Operation == "DELETE" {
			latest[e.Key] = -1
			continue
		}
		v := int(c.New["v"].(float64))
		if v < latest[e.Key] || latest[e.Key] == -1 {
			t.Errorf("%s: %s %d after %d", e.Key, c.Operation, v, latest[e.Key])
		}
		latest[e.Key] = v
	}
	for id, want := range map[int]int{3: 2, 5: 1, 7: 1, 8: 1, 9: -1, 10: 0} {
		if got := latest[fmt.Sprintf("public.items:%d", id)]; got != want {
			t.Errorf("row %d is %d at last, want %d", id, got, want)
		}
	}
	st.Stop()
}

// TestChaosWithBackfill sends rows again while they are written, and while sessions of the reader and of the backfill are killed.
// All changes arrive, and each row that is sent again is as its latest change has left it. SEED repeats a run.
func TestChaosWithBackfill(t *testing.T) {
	seed := uint64(sourcetest.EnvInt(t, "SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("SEED=%d", seed)
	const rows, writers, transactions = 1000, 4, 600
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	rnd := rand.New(rand.NewPCG(seed, 0))
	out.AckWith = func(*event.Event) error {
		if rnd.IntN(200) == 0 { // under the collector's lock
			return errors.New("at random")
		}
		return nil
	}
	st := start(t, asChange, out)
	sourcetest.Exec(t, db, fmt.Sprintf("INSERT INTO items SELECT n, 0 FROM generate_series(1, %d) n", rows))
	var writing sync.WaitGroup
	for w := range writers {
		conn, rnd := newSession(t), rand.New(rand.NewPCG(seed, uint64(w+1)))
		writing.Go(func() {
			for range transactions {
				first := rnd.IntN(rows)
				sql := fmt.Sprintf("BEGIN; UPDATE items SET v = v + 1 WHERE id = %d;", first+1)
				if rnd.IntN(10) == 0 {
					sql = fmt.Sprintf("BEGIN; DELETE FROM items WHERE id = %d;", first+1)
				} else if rnd.IntN(4) == 0 {
					sql += fmt.Sprintf("SELECT pg_sleep(%f);", rnd.Float64()/50)
				}
				sql += fmt.Sprintf("INSERT INTO items VALUES (%d, 0) ON CONFLICT (id) DO UPDATE SET v = items.v + 1;", first%50+first/50*50+1) // the same row: no deadlock among the writers
				if rnd.IntN(8) == 0 {
					sql += "ROLLBACK"
				} else {
					sql += "COMMIT"
				}
				if _, err := conn.Exec(context.Background(), sql); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(testenv.Context(t))
	var background sync.WaitGroup
	backfills, killed := 0, 0
	background.Go(func() {
		after := ""
		for ctx.Err() == nil {
			args := []string{"backfill", "--table", "items", "--where", "id % 3 <> 0"}
			if after != "" {
				args = append(args, "--after", after)
			}
			_, err := runOutbox(ctx, t, testenv.Postgres(t).URL(), args...)
			after = ""
			if err != nil {
				_, after, _ = strings.Cut(err.Error(), "go on with --after ")
				after = strings.Trim(after, "'")
				killed++
				continue
			}
			backfills++
		}
	})
	background.Go(func() {
		killer := newSession(t)
		rnd := rand.New(rand.NewPCG(seed, 100))
		for ctx.Err() == nil {
			time.Sleep(time.Duration(30+rnd.IntN(200)) * time.Millisecond) // when is a part of the chaos
			name := []string{"eventgateway " + plugintest.Name, "eventgateway outbox"}[rnd.IntN(2)]
			if _, err := killer.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", name); err != nil {
				t.Error(err)
			}
		}
	})
	writing.Wait()
	cancel()
	background.Wait()
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (-1, 0)")
	awaitCursor(t, db, "gaps = '{}' AND hi = (SELECT last_value FROM gateway.outbox_id_seq) AND NOT EXISTS (SELECT FROM gateway.outbox)")
	st.Stop()
	state, reads := map[string]int{}, 0
	for _, e := range st.Events() {
		c := sourcetest.ChangeOf(t, e)
		row := c.New
		if row == nil {
			row = c.Old
		}
		v := int(row["v"].(float64))
		before, known := state[e.Key]
		switch c.Operation {
		case "READ":
			if reads++; !known || before != v {
				t.Errorf("%s is sent again as %d, and its changes have made %d (%v) of it", e.Key, v, before, known)
			}
		case "UPDATE":
			if before != v-1 {
				t.Errorf("%s: %d after %d", e.Key, v, before)
			}
		case "INSERT", "DELETE":
			if known != (c.Operation == "DELETE") {
				t.Errorf("%s: %s, and known is %v", e.Key, c.Operation, known)
			}
		}
		if state[e.Key] = v; c.Operation == "DELETE" {
			delete(state, e.Key)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM items"); n != len(state) {
		t.Errorf("%d rows at last, and the table has %d", len(state), n)
	}
	t.Logf("%d events, %d rows sent again, %d backfills, %d killed, %d events came again", len(st.Events()), reads, backfills, killed, st.Repeated())
	if reads == 0 || killed == 0 {
		t.Error("there was no chaos")
	}
}
