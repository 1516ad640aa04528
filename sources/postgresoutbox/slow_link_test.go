package postgresoutbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// atURL configures the URL.
func atURL(url string) func(*Options) {
	return func(o *Options) { o.URL = options.NewURL(url) }
}

// TestSlowRowsDoNotTimeOut proves that rows arrive although each takes four times the answer timeout,
// as changes and in a snapshot.
func TestSlowRowsDoNotTimeOut(t *testing.T) {
	const large = `SELECT n, (SELECT string_agg(md5(random()::text), '') FROM generate_series(n, 13000 + n)) FROM generate_series(1, 2) n`
	db := resetDatabase(t, `CREATE TABLE items (id int PRIMARY KEY, note text); INSERT INTO items `+large, "items")
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	proxy.Throttle(300_000)
	s := newSource(t, func(o *Options) {
		atURL(url)(o)
		o.Tables, o.Snapshot = []string{"items"}, "initial"
	})
	s.answerTimeout = 500 * time.Millisecond
	s.rowReader.Timeout = time.Second
	sourcetest.Exec(t, db, `INSERT INTO items SELECT id + 3, note FROM items WHERE id = 1`)
	st := startSource(t, s, sourcetest.NewCollector())
	for _, e := range st.Await(t, 4) { // a change, and three rows
		if len(e.Data) < 400_000 {
			t.Errorf("%s has %d bytes", e.ID, len(e.Data))
		}
	}
	st.Stop()
	if len(st.Errs) > 0 {
		t.Errorf("%d runs have ended: %v", len(st.Errs), <-st.Errs)
	}
}

// TestLargeRowsAreSentOnce proves that an interrupted read keeps its rows, and that the next read asks
// for as many as the link takes.
func TestLargeRowsAreSentOnce(t *testing.T) {
	db := resetDatabase(t, `CREATE TABLE items (id int PRIMARY KEY, note text)`, "items")
	sourcetest.Exec(t, db, `INSERT INTO items SELECT n, (SELECT string_agg(md5(random()::text), '') FROM generate_series(n, 6500 + n)) FROM generate_series(1, 4) n`)
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	proxy.Throttle(150_000)
	r := newReader(t, newSource(t, atURL(url)))
	r.s.readLimit = maxRows // as after many small rows
	rows, err := r.read(t.Context())
	if err != nil || len(rows) != 2 || r.s.readLimit != 1 {
		t.Fatalf("the first read has %d rows, and the next one asks for %d: %v", len(rows), r.s.readLimit, err)
	}
	if rows, err = r.read(t.Context()); err != nil || len(rows) != 1 || rows[0].id != 3 {
		t.Errorf("the second read has %d rows: %v", len(rows), err)
	}
}

// TestSilentConnection proves that a silent open connection is detected while the source sleeps, and
// that the timeout doubles then.
func TestSilentConnection(t *testing.T) {
	resetDatabase(t, `CREATE TABLE items (id int PRIMARY KEY)`, "items")
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	s := newSource(t, atURL(url))
	if s.answerTimeout+maxSleep > 9500*time.Millisecond {
		t.Fatalf("a silence of %v after a sleep of %v shows too late", s.answerTimeout, maxSleep)
	}
	s.answerTimeout = 200 * time.Millisecond
	st := startSource(t, s, sourcetest.NewCollector())
	thaw := proxy.Freeze()
	defer thaw()
	select {
	case err := <-st.Errs:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(testenv.Wait):
		t.Fatal("the source does not notice that the connection is silent")
	}
	<-st.Connected
	st.Stop()
	if s.answerTimeout != 400*time.Millisecond {
		t.Errorf("the next silence counts after %v", s.answerTimeout)
	}
}
