package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// rowVersion is one change of a row: the version that it got.
type rowVersion struct {
	table string
	id, v int
}

// Chaos runs writers with long, aborted and interleaved transactions over several tables, while
// sessions are terminated and batches are nacked at random. It proves that exactly the committed changes arrive,
// and the versions of each row in order. SEED repeats a run, CHANGES is its size. Chaos returns the events.
func (k Kind) Chaos(t *testing.T) []*event.Event {
	seed := uint64(EnvInt(t, "SEED", int(time.Now().UnixNano()%1_000_000)))
	changes := EnvInt(t, "CHANGES", 4000)
	t.Logf("SEED=%d CHANGES=%d", seed, changes)
	const tables, rows, writers = 3, 20, 8
	ddl, names := "", []string{}
	for i := range tables {
		ddl += fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY, v int NOT NULL);", i)
		names = append(names, fmt.Sprintf("t%d", i))
	}
	db := k.Reset(t, ddl, names...)
	committed := map[rowVersion]bool{}
	for _, name := range names {
		for id := range rows {
			Exec(t, db, fmt.Sprintf("INSERT INTO %s VALUES (%d, 0)", name, id))
			committed[rowVersion{"public." + name, id, 0}] = true
		}
	}
	out, rnd := NewCollector(), rand.New(rand.NewPCG(seed, 0))
	nacks, batches := 0, 0
	out.AckWith = func(*event.Event) error {
		batches++
		if batches == 5 || rnd.IntN(50+changes/500) == 0 { // under the collector's lock
			nacks++
			return errors.New("at random")
		}
		return nil
	}
	st := k.Start(t, Settings{Output: "change"}, out)

	var mu sync.Mutex
	var writing sync.WaitGroup
	for w := range writers {
		conn := testenv.Connect(t)
		writing.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(w+1)))
			for n := 0; n < changes/writers; {
				done, err := randomTransaction(conn, rnd, tables, rows)
				if err != nil {
					t.Error(err)
					return
				}
				n += max(1, len(done))
				mu.Lock()
				for _, one := range done {
					committed[one] = true
				}
				mu.Unlock()
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	kills := 0
	killing := make(chan struct{})
	killer := testenv.Connect(t)
	go func() {
		defer close(killing)
		rnd := rand.New(rand.NewPCG(seed, 1000))
		for ctx.Err() == nil {
			time.Sleep(time.Duration(20+rnd.IntN(100)) * time.Millisecond) // when is a part of the chaos
			tag, err := killer.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "eventgateway "+plugintest.Name)
			if err != nil {
				t.Error(err)
				return
			}
			kills += int(tag.RowsAffected())
			if rnd.IntN(3) > 0 { // else the source would never get far on a busy machine
				awaitArrival(ctx, out)
			}
		}
	}()
	writing.Wait()
	cancel()
	<-killing
	// The last id must be a committed one: a source cannot know of later ones that were rolled back.
	Exec(t, db, fmt.Sprintf("INSERT INTO t0 VALUES (%d, 0)", rows))
	committed[rowVersion{"public.t0", rows, 0}] = true
	events := st.Await(t, len(committed))
	k.AwaitStored(t, db, events)
	st.Stop()

	latest := map[string]int{}
	for _, e := range st.Events() {
		c := ChangeOf(t, e)
		one := rowVersion{c.Table, int(c.New["id"].(float64)), int(c.New["v"].(float64))}
		if !committed[one] {
			t.Errorf("%+v arrived, and was not committed", one)
		}
		if before, ok := latest[e.Key]; one.v > 0 && (!ok || one.v != before+1) {
			t.Errorf("%s: version %d after %d", e.Key, one.v, before)
		}
		latest[e.Key] = one.v
	}
	if len(st.Events()) != len(committed) {
		t.Errorf("%d events, %d changes were committed", len(st.Events()), len(committed))
	}
	if kills == 0 || nacks == 0 {
		t.Errorf("%d sessions were ended, %d batches given back: there was no chaos", kills, nacks)
	}
	t.Logf("%d changes, %d sessions ended, %d batches given back, %d events came again, %d runs", len(events), kills, nacks, st.Repeated(), len(st.Errs))
	return st.Events()
}

// awaitArrival waits until an event arrives, or ctx ends.
func awaitArrival(ctx context.Context, out *Collector) {
	select {
	case <-out.Arrived: // it may be one of before
	default:
	}
	select {
	case <-out.Arrived:
	case <-ctx.Done():
	}
}

// randomTransaction changes some rows, and returns the committed changes.
func randomTransaction(conn *pgx.Conn, rnd *rand.Rand, tables, rows int) (done []rowVersion, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Wait)
	defer cancel()
	exec := func(sql string) {
		if err == nil {
			_, err = conn.Exec(ctx, sql)
		}
	}
	exec("BEGIN")
	if rnd.IntN(10) == 0 { // a low transaction id that writes late
		exec("SELECT pg_current_xact_id()")
		time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
	}
	table, id := rnd.IntN(tables), 0
	for range 1 + rnd.IntN(4) {
		id += 1 + rnd.IntN(rows/4) // upwards in one table: no deadlocks
		if id >= rows || err != nil {
			break
		}
		undo := rnd.IntN(6) == 0
		if undo {
			exec("SAVEPOINT s")
		}
		one := rowVersion{table: fmt.Sprintf("public.t%d", table), id: id}
		if err == nil {
			err = conn.QueryRow(ctx, fmt.Sprintf("UPDATE t%d SET v = v + 1 WHERE id = %d RETURNING v", table, id)).Scan(&one.v)
		}
		if undo {
			exec("ROLLBACK TO s")
		} else {
			done = append(done, one)
		}
	}
	if rnd.IntN(20) == 0 {
		time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond) // a long one
	}
	if rnd.IntN(7) == 0 {
		exec("ROLLBACK")
		return nil, err
	}
	exec("COMMIT")
	return done, err
}
