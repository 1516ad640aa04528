package main

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestOrderOfKeys proves the order of changes of a row whose first change is refused once. TRUNCATE, a change
// of the row's key, and changes after a rename of the key column wait for it, in the gateway that captures
// and in one that reads a stream of its changes.
func TestOrderOfKeys(t *testing.T) {
	for name, c := range map[string]struct {
		sql    []string
		want   []string
		header string // the value of a header of one of them
	}{
		"truncate": {[]string{"TRUNCATE things", "INSERT INTO things VALUES (60, 2)"}, []string{`INSERT 60,"v":1}}`, `TRUNCATE`, `INSERT 60,"v":2}}`}, "public.things"},
		"key": {[]string{"UPDATE things SET id = 33", "UPDATE things SET v = 3 WHERE id = 33"},
			[]string{`INSERT 60,"v":1}}`, `UPDATE 33,"v":1}}`, `UPDATE 33,"v":3}}`}, "public.things:60"},
		"key reused": {[]string{"UPDATE things SET id = 33", "INSERT INTO things VALUES (60, 2)"},
			[]string{`INSERT 60,"v":1}}`, `UPDATE 33,"v":1}}`, `INSERT 60,"v":2}}`}, "public.things:60"},
		"renamed": {[]string{"ALTER TABLE things RENAME COLUMN id TO number", "UPDATE things SET v = 4"}, []string{`INSERT 60,"v":1}}`, `UPDATE 60,"v":4}}`}, ""},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", name, stream), func(t *testing.T) {
				if err := testenv.RedisClient(t).FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				dropOutbox(t)
				t.Cleanup(func() { dropOutbox(t) })
				execSQL(t, "DROP TABLE IF EXISTS things; CREATE TABLE things (id int PRIMARY KEY, v int)")
				if code := startBinary(t, realServers(t), "sql", "--mode", "outbox", "--table", "things", "--apply").exit(testenv.Wait); code != 0 {
					t.Fatalf("gateway sql: exit status %d", code)
				}
				h := newBlockingReceiver(`INSERT|UPDATE|TRUNCATE|[0-9]+,"v":[0-9]+}}$`)
				shop := httptest.NewServer(h)
				defer shop.Close()
				all := startOrder(t, shop.URL, stream)
				execSQL(t, "INSERT INTO things VALUES (60, 1)")
				<-h.begun
				for _, sql := range c.sql {
					execSQL(t, sql)
				}
				events := 0
				for _, sql := range c.sql {
					if sql[:5] != "ALTER" {
						events++
					}
				}
				all[len(all)-1].awaitMetric(fmt.Sprintf(`gateway_sink_held_back{sink="shop"} %d`, events))
				close(h.refuse)
				h.await(t, c.want...)
				if got := h.headers; c.header != "" && !slices.Contains(got, c.header) {
					t.Errorf("headers: %q", got)
				}
				for _, p := range all {
					p.awaitMetric("gateway_conserved 1")
					p.cmd.Process.Signal(syscall.SIGTERM)
					if code := p.exit(testenv.Wait); code != 0 {
						t.Errorf("exit status %d", code)
					}
				}
			})
		}
	}
}

// startOrder starts a gateway that sends changes to a shop. With stream it starts one that appends them to a
// stream, and one that sends the entries of the stream to the shop.
func startOrder(t *testing.T, shop string, stream bool) (all []*program) {
	t.Helper()
	const source = `  changes: {type: postgres-outbox, url: "${DATABASE_URL}", tables: [things], output: change}`
	sink := fmt.Sprintf("  shop: {type: webhook, url: %s, allow: [127.0.0.1], workers: 4, retry: {initial: 10ms, max: 10ms}}", shop)
	configs := [][2]string{{source, sink}}
	if stream {
		configs = [][2]string{
			{source, `  shop: {type: redis-stream, url: "${REDIS_URL}", stream: changes}`},
			{`  changes: {type: redis-stream, url: "${REDIS_URL}", stream: changes, group: shop, consumer: me, from: start}`, sink},
		}
	}
	for _, c := range configs {
		config := filepath.Join(t.TempDir(), "gateway.yaml")
		writeFile(t, config, fmt.Sprintf("http: {listen: \":${PORT}\"}\nsources:\n%s\nsinks:\n%s\nroutes:\n  all: {from: [changes], to: [shop]}\n", c[0], c[1]))
		p := startBinary(t, realServers(t), "-c", config)
		p.awaitReady()
		all = append(all, p)
	}
	return all
}
