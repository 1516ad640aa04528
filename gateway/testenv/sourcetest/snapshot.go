package sourcetest

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
)

// initial are the settings of a source that reads the rows that exist.
func initial(tables ...string) Settings {
	return Settings{Output: "change", Snapshot: "initial", Tables: tables}
}

// OperationsOf lists operations and rows in the order of arrival: "I1 U1 D2".
func OperationsOf(t testing.TB, events []*event.Event) string {
	t.Helper()
	return strings.TrimSpace(Join(events, func(e *event.Event) string {
		c := ChangeOf(t, e)
		return fmt.Sprintf("%c%v", c.Operation[0], c.Row()["id"])
	}))
}

// Snapshot proves that the rows that exist are emitted in the order of their keys, and then changes. It proves that this
// happens once for each reader, and also for a table that is added later.
func (k Kind) Snapshot(t *testing.T) {
	ddl := `CREATE TABLE parts (region text, "No" int, made date, PRIMARY KEY (region, "No")) PARTITION BY LIST (region);
		CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu'); CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
		INSERT INTO parts SELECT r, n, '2024-01-02' FROM generate_series(1, 600) n, unnest(ARRAY['us', 'eu']) r;
		CREATE TABLE stamps (at timestamptz PRIMARY KEY, x bytea); SET timezone = 'Asia/Tokyo';
		INSERT INTO stamps SELECT '2024-01-01 00:00:00.000001+00'::timestamptz + n * interval '1 microsecond', '\x00ff' FROM generate_series(1, 1200) n;
		CREATE TABLE nothing (id uuid PRIMARY KEY);`
	db := k.Reset(t, ddl, "parts", "stamps", "nothing")
	st := k.Start(t, initial("parts", "stamps", "nothing"), NewCollector())
	events := st.Await(t, 2400)
	for i, e := range events[:1200] {
		want := fmt.Sprintf(`{"operation":"READ","table":"public.parts","snapshot":"row","old":null,"new":{"region":"%s","No":%d,"made":"2024-01-02"}}`, []string{"eu", "us"}[i/600], i%600+1)
		if string(e.Data) != want || e.Key != fmt.Sprintf("public.parts:%s,%d", []string{"eu", "us"}[i/600], i%600+1) {
			t.Fatalf("row %d, key %s:\ngot  %s\nwant %s", i, e.Key, e.Data, want)
		}
	}
	for i, e := range events[1200:] {
		want := fmt.Sprintf(`"new":{"at":"2024-01-01T00:00:00.%s+00:00","x":"\\x00ff"}}`, strings.TrimRight(fmt.Sprintf("%06d", i+2), "0"))
		mark, _ := e.Attr("snapshot")
		if !strings.HasSuffix(string(e.Data), want) || mark != "row" {
			t.Fatalf("row %d: %s, want %s; %s", i, e.Data, want, mark)
		}
	}
	Exec(t, db, "UPDATE parts SET made = '2024-02-02' WHERE \"No\" = 1")
	events = st.Await(t, 2402)
	if got := ChangeOf(t, events[2400]); got.Operation != "UPDATE" {
		t.Errorf("after the snapshot: %+v", got)
	}
	k.AwaitSnapshots(t, db, 3)
	k.AwaitStored(t, db, events)
	st.Stop()
	Exec(t, db, "CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (7);")
	k.Install(t, db, "later")
	st = k.Start(t, initial("parts", "later"), NewCollector())
	if got := OperationsOf(t, st.Await(t, 1)); got != "R7" {
		t.Errorf("another table: %s", got)
	}
	testenv.WaitForSQL(t, db, "SELECT ("+k.SnapshotsSQL+" AND t.key = 'public.later') > 0")
	Exec(t, db, "INSERT INTO later VALUES (8)")
	if got := OperationsOf(t, st.Await(t, 2)); got != "R7 I8" {
		t.Errorf("and then: %s", got)
	}
}

// SnapshotUnderWrites reads rows under 2,000 changes a second, and ends the source's sessions three times meanwhile. It proves that each row's
// versions arrive in order, that no row is missing, and that a row that is read has the effect of the changes before. A row
// that was written since the snapshot began is marked.
func (k Kind) SnapshotUnderWrites(t *testing.T) {
	const rows, rate, writers = 20_000, 2000, 4
	seed := uint64(EnvInt(t, "SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("SEED=%d", seed)
	db := k.Reset(t, ItemsSQL+fmt.Sprintf("INSERT INTO items SELECT n, 0 FROM generate_series(1, %d) n;", rows), "items")
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	var mu sync.Mutex
	latest, deleted := map[int]int{}, map[int]bool{}
	for w := range writers { // each has rows of its own
		conn := testenv.Connect(t)
		writing.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(w)))
			pace := time.NewTicker(time.Second * writers / rate)
			defer pace.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				<-pace.C
				id := 1 + rnd.IntN(rows/writers-1)*writers + w
				sql := "INSERT INTO items VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET v = items.v + 1 RETURNING v"
				if n%20 == 0 {
					sql = "DELETE FROM items WHERE id = $1 RETURNING -1"
				}
				v := 0
				err := conn.QueryRow(context.Background(), sql, id).Scan(&v)
				if err != nil && n%20 != 0 {
					t.Error(err)
					return
				}
				mu.Lock()
				deleted[id] = v == -1 || err != nil
				latest[id] = v
				mu.Unlock()
			}
		})
	}
	out := NewCollector()
	taken := 0
	out.AckWith = func(*event.Event) error { // a sink that takes its time
		if taken++; taken%100 == 0 {
			time.Sleep(3 * time.Millisecond)
		}
		return nil
	}
	st := k.Start(t, initial("items"), out)
	killer := testenv.Connect(t)
	kills := 0
	for _, share := range []int{5, 3, 2} {
		st.Await(t, rows/share)
		for { // it may be about to come back from a kill
			tag, err := killer.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "eventgateway "+plugintest.Name)
			if err != nil {
				t.Fatal(err)
			}
			kills += int(tag.RowsAffected())
			if tag.RowsAffected() > 0 {
				break
			}
		}
	}
	k.AwaitSnapshots(t, db, 1)
	cancel()
	writing.Wait()
	Exec(t, db, "INSERT INTO items VALUES (-1, 0)")
	k.AwaitStored(t, db, st.AwaitKey(t, "public.items:-1"))
	st.Stop()

	state, read, overlaps, since := map[int]int{}, map[int]bool{}, 0, map[int]bool{} // -1: deleted
	for _, e := range st.Events() {
		c := ChangeOf(t, e)
		operation, _ := e.Attr("operation")
		row := c.New
		if row == nil {
			row = c.Old
		}
		id, v := int(row["id"].(float64)), int(row["v"].(float64))
		before, known := state[id]
		switch operation {
		case "READ":
			if known && before != v {
				t.Errorf("row %d is read with %d, and its changes have made %d of it", id, v, before)
			}
			mark, _ := e.Attr("snapshot")
			if mark == "overlap" {
				overlaps++
			} else if since[id] {
				t.Errorf("row %d is not marked, and its changes come too", id)
			}
			read[id] = true
			state[id] = v
		case "INSERT":
			if known && before != -1 {
				t.Errorf("row %d is inserted, and is there with %d", id, before)
			}
			state[id] = v
		case "UPDATE":
			if known && v != before+1 {
				t.Errorf("row %d: %d after %d", id, v, before)
			}
			state[id] = v
		case "DELETE":
			if known && v != before {
				t.Errorf("row %d is deleted with %d, and was %d", id, v, before)
			}
			state[id] = -1
		}
		since[id] = since[id] || operation != "READ"
	}
	for id := 1; id <= rows; id++ {
		got, known := state[id]
		want, changed := latest[id]
		if changed && deleted[id] {
			want = -1
		}
		if !known || got != want {
			t.Errorf("row %d is %d (%v) at last, want %d", id, got, known, want)
		}
		if !read[id] && !since[id] {
			t.Errorf("row %d is lost", id)
		}
	}
	t.Logf("%d events, %d rows read, %d of them marked, %d sessions ended, %d came again", len(st.Events()), len(read), overlaps, kills, st.Repeated())
	if overlaps == 0 || kills < 3 {
		t.Errorf("%d rows were marked, %d sessions ended: nothing was tested", overlaps, kills)
	}
}

// SnapshotOfTypesOfExtensions proves that the type of a key may come from an extension, with
// operators that are not in the search path.
func (k Kind) SnapshotOfTypesOfExtensions(t *testing.T) {
	const rows = 200
	k.Reset(t, `CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE names (name citext, n int, PRIMARY KEY (name, n));
		INSERT INTO names SELECT CASE n % 2 WHEN 0 THEN 'a' ELSE 'A' END || lpad((n / 2)::text, 4, '0'), n FROM generate_series(1, 200) n;`, "names")
	st := k.Start(t, initial("names"), NewCollector())
	seen := map[any]bool{}
	for _, e := range st.Await(t, rows) {
		seen[ChangeOf(t, e).New["n"]] = true
	}
	if len(seen) != rows {
		t.Errorf("%d of %d rows", len(seen), rows)
	}
}
