package postgresnotify

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestSlowFetchDelaysNoOtherRow proves that all other events arrive while the rows of a table cannot be
// read.
func TestSlowFetchDelaysNoOtherRow(t *testing.T) {
	db, locker := testenv.Connect(t), testenv.Connect(t)
	for _, table := range []string{"slow", "honest"} {
		exec(t, db, fmt.Sprintf(`DROP TABLE IF EXISTS %[1]s; CREATE TABLE %[1]s (id int PRIMARY KEY, note text);`, table)+trigger("public", table))
	}
	next := startListening(t, nil)
	exec(t, db, `INSERT INTO slow SELECT n, repeat('x', 9000) FROM generate_series(1, 2) n`)
	exec(t, db, `INSERT INTO slow SELECT n, 'small' FROM generate_series(3, 3) n`)
	for range 3 { // two large ones, and the small one, in whatever order
		next()
	}
	exec(t, locker, `BEGIN; LOCK TABLE slow`)
	for range 5 {
		testenv.Notify(t, db, channel, forged("public.slow", 1))
		testenv.Notify(t, db, channel, forged("public.slow", 2))
	}
	testenv.Notify(t, db, channel, `{"operation":"UPDATE","order":{"id":1,"note":"behind"}}`)
	testenv.Notify(t, db, channel, "no JSON")
	exec(t, db, `INSERT INTO honest VALUES (7, 'small'); INSERT INTO honest VALUES (8, repeat('y', 9000))`)
	testenv.Notify(t, db, channel, `{"operation":"UPDATE","order":{"id":3,"note":"another row"}}`)
	var got []string
	for range 4 { // before the lock is given up
		got = append(got, next())
	}
	all := strings.Join(got, "\n")
	if strings.Contains(all, "behind") || !strings.Contains(all, "no JSON") || !strings.Contains(all, "another row") || !strings.Contains(all, `"note":"small"`) || !strings.Contains(all, "yyyy") {
		t.Errorf("while a fetch hangs: %.500s", all)
	}
	exec(t, locker, `ROLLBACK`)
	rows := map[string][]string{}
	for range 11 {
		p := next()
		id := "1"
		if strings.Contains(p, `"id":2`) {
			id = "2"
		}
		rows[id] = append(rows[id], p)
	}
	if n := len(rows["1"]); n != 6 || !strings.Contains(rows["1"][5], "behind") || len(rows["2"]) != 5 {
		t.Errorf("row 1 has %d events, row 2 %d; the last is %.200s", n, len(rows["2"]), rows["1"][n-1])
	}
}

// TestOrderOfAmbiguousRows proves that a small change, which does not name its table, follows all
// events that may be of its row.
func TestOrderOfAmbiguousRows(t *testing.T) {
	db, locker := testenv.Connect(t), testenv.Connect(t)
	for table, key := range map[string]string{"first": "id", "second": "id, region"} {
		exec(t, db, fmt.Sprintf(`DROP TABLE IF EXISTS %[1]s; CREATE TABLE %[1]s (id int, region text, note text, PRIMARY KEY (%[2]s));`, table, key)+trigger("public", table))
	}
	next := startListening(t, nil)
	exec(t, locker, `BEGIN; LOCK TABLE second`)
	testenv.Notify(t, db, channel, forged("public.first", 1))
	testenv.Notify(t, db, channel, fmt.Sprintf(`{"operation":"INSERT","order":{"id":1,"region":"eu"},%q:"public.second"}`, fetchField))
	testenv.Notify(t, db, channel, `{"operation":"UPDATE","order":{"id":1,"region":"eu","note":"a"}}`)
	testenv.Notify(t, db, channel, `{"operation":"UPDATE","order":{"id":1,"region":"us","note":"b"}}`)
	testenv.Notify(t, db, channel, `{"operation":"DELETE","order":{"id":1,"region":"eu","note":"c"}}`)
	testenv.Notify(t, db, channel, "other")
	got := []string{next()}
	if got[0] != "other" { // first's row is fetched at once
		got = append(got, next())
	}
	exec(t, locker, `ROLLBACK`)
	for len(got) < 6 {
		got = append(got, next())
	}
	all := strings.Join(got, "\n")
	at := func(part string) int { return strings.Index(all, part) }
	if second := at(`:"public.second"`); second < 0 || second > at(`"note":"a"`) || at(`"note":"a"`) > at(`"note":"b"`) || at(`"note":"b"`) > at(`"note":"c"`) {
		t.Errorf("order:\n%s", all)
	}
}

// TestTooManyFetches proves that events beyond the bound are emitted with their key, and that none is
// lost.
func TestTooManyFetches(t *testing.T) {
	db, locker := testenv.Connect(t), testenv.Connect(t)
	exec(t, db, `DROP TABLE IF EXISTS slow; CREATE TABLE slow (id int PRIMARY KEY, note text);`+trigger("public", "slow"))
	next := startListening(t, nil)
	exec(t, locker, `BEGIN; LOCK TABLE slow`)
	const n = maxWaiting + 500
	exec(t, db, `SELECT pg_notify('hostile', format('{"operation":"INSERT","order":{"id":%s},"_gateway_fetch":"public.slow"}', n)) FROM generate_series(1, $1) n`, n)
	seen := map[string]bool{}
	for range 500 { // at once
		p := next()
		seen[p] = true
		if !strings.Contains(p, fetchField) {
			t.Fatalf("got %s", p)
		}
	}
	exec(t, locker, `ROLLBACK`)
	for range maxWaiting {
		seen[next()] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d events", len(seen), n)
	}
}
