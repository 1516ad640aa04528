package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

const (
	chaosTables  = 5
	chaosRows    = 200 // in each
	chaosWriters = 12
)

// version is a row after a change.
type version struct {
	table string
	id, v int
}

// writers change rows, and record each change in the table audit in the same transaction. So the table
// lists what was committed, also after kills.
type writers struct {
	t       *testing.T
	ended   atomic.Bool
	changes atomic.Int64
	least   int64
	running sync.WaitGroup
}

func (c *chaos) startWriters(seed uint64, least int) *writers {
	w := &writers{t: c.t, least: int64(least)}
	for n := range chaosWriters {
		w.running.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(n)))
			var db *pgx.Conn
			for !w.ended.Load() || w.changes.Load() < w.least*11/10 { // some changes are rolled back, or end with their session
				ctx, cancel := context.WithTimeout(context.Background(), testenv.Wait)
				var err error
				if db == nil {
					db, err = pgx.Connect(ctx, c.postgres.URL()+"&application_name=writer")
				}
				if err == nil {
					err = w.transaction(ctx, db, rnd)
				}
				if err != nil { // the session was ended, or the server is away
					if db != nil {
						db.Close(ctx)
						db = nil
					}
					time.Sleep(10 * time.Millisecond)
				}
				cancel()
				time.Sleep(time.Duration(rnd.IntN(15)) * time.Millisecond)
			}
			if db != nil {
				db.Close(context.Background())
			}
		})
	}
	c.t.Cleanup(w.stop)
	return w
}

// stop waits until the writers have made enough changes, and stops them.
func (w *writers) stop() {
	w.ended.Store(true)
	w.running.Wait()
}

// transaction changes some rows of a table.
func (w *writers) transaction(ctx context.Context, db *pgx.Conn, rnd *rand.Rand) (err error) {
	exec := func(sql string) {
		if err == nil {
			_, err = db.Exec(ctx, sql)
		}
	}
	exec("BEGIN")
	if rnd.IntN(10) == 0 { // a low transaction id that writes late
		exec("SELECT pg_current_xact_id()")
		time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
	}
	table, id, done := rnd.IntN(chaosTables), -1, 0
	for range 1 + rnd.IntN(5) {
		if id += 1 + rnd.IntN(chaosRows/5); id >= chaosRows { // upwards in one table: no deadlocks
			break
		}
		undo := rnd.IntN(6) == 0
		if undo {
			exec("SAVEPOINT s")
		}
		exec(fmt.Sprintf("WITH u AS (UPDATE t%d SET v = v + 1 WHERE id = %d RETURNING id, v) INSERT INTO audit SELECT 'public.t%[1]d', id, v FROM u", table, id))
		if undo {
			exec("ROLLBACK TO s")
		} else {
			done++
		}
	}
	if rnd.IntN(30) == 0 {
		time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond) // a long one
	}
	if rnd.IntN(8) == 0 {
		exec("ROLLBACK")
		return err
	}
	exec("COMMIT")
	if err == nil {
		w.changes.Add(int64(done))
	}
	return err
}

// committed returns what the writers have committed.
func (c *chaos) committed() map[version]bool {
	db := c.connect()
	defer db.Close(context.Background())
	rows, err := db.Query(testenv.Context(c.t), "SELECT tbl, id, v FROM audit")
	if err != nil {
		c.t.Fatal(err)
	}
	all := map[version]bool{}
	var one version
	if _, err := pgx.ForEachRow(rows, []any{&one.table, &one.id, &one.v}, func() error { all[one] = true; return nil }); err != nil {
		c.t.Fatal(err)
	}
	return all
}

// check reads a gateway's file until it holds all committed changes. It fails for other changes,
// and where the versions of a row are not in order, or with inCommitOrder transactions. It returns the numbers of changes
// and of repeated ones.
func (w *writers) check(path string, committed map[version]bool, inCommitOrder bool) (changes, repeated int) {
	w.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	seen, latest := map[version]bool{}, map[string]int{}
	var reached position
	line := ""
	for begin := time.Now(); len(seen) < len(committed); {
		part, err := in.ReadString('\n')
		line += part
		if err != nil { // the end of the file, so far
			if time.Since(begin) > 2*testenv.Wait { // since the last line
				w.t.Fatalf("%s: %d changes of %d: the others are lost", path, len(seen), len(committed))
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		e, err := event.ParseLine([]byte(line))
		line, begin = "", time.Now()
		if err != nil { // half a line: the kill was during a write
			continue
		}
		var c struct {
			Operation, Table string
			New              struct{ ID, V int }
		}
		if err := json.Unmarshal(e.Data, &c); err != nil {
			w.t.Fatalf("%s: %v", e.Data, err)
		}
		one := version{c.Table, c.New.ID, c.New.V}
		before, known := latest[e.Key]
		switch {
		case c.Operation == "READ" && (!known || one.v <= before):
		case c.Operation == "UPDATE" && committed[one] && (!known && one.v == 1 || known && one.v <= before+1):
			if seen[one] {
				repeated++
			} else if inCommitOrder {
				reached = reached.next(w.t, e.ID)
			}
			seen[one] = true
		default:
			w.t.Fatalf("%s: %s of %+v after version %d (%v); committed: %v", path, c.Operation, one, before, known, committed[one])
		}
		latest[e.Key] = max(before, one.v)
	}
	if rest, err := os.ReadFile(path + ".refused"); err == nil && strings.TrimSpace(string(rest)) != "" {
		w.t.Logf("%s.refused: %d lines of a former leader", path, strings.Count(string(rest), "\n"))
	}
	return len(seen), repeated
}

// position is the place of a change in the order of commits.
type position struct{ commit, index uint64 }

// next returns the position in the ID of an event of postgres-wal. It fails if the position is not behind p.
func (p position) next(t *testing.T, id string) (at position) {
	t.Helper()
	if _, err := fmt.Sscanf(id, "%X-%d-", &at.commit, &at.index); err != nil {
		t.Fatalf("ID %s: %v", id, err)
	}
	if at.commit < p.commit || at.commit == p.commit && at.index <= p.index {
		t.Fatalf("ID %s follows %X-%d", id, p.commit, p.index)
	}
	return at
}
