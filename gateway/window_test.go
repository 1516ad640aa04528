package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// sums proves that the sums of orders arrive, of each customer in a request of its own. Events that a window held at a kill -9 are
// redelivered by the next gateway, and are in its sums.
func sums(t *testing.T, file string) {
	db := testenv.OrdersTable(t)
	dropOutbox(t)
	t.Cleanup(func() { dropOutbox(t) })
	env := realServers(t)
	sql := startBinary(t, env, "sql", "--mode", "outbox", "--table", "orders", "--apply")
	if code := sql.exit(testenv.Wait); code != 0 {
		t.Fatalf("gateway sql: exit status %d", code)
	}
	hook, requests := receiver(t)
	env["WEBHOOK_URL"], env["PARKED_FILE"] = hook, filepath.Join(t.TempDir(), "parked.jsonl")
	slow := filepath.Join(t.TempDir(), "slow.yaml")
	writeFile(t, slow, "transforms: {turnover: {collect: {time: 10m}}}\n")
	insert := func(customer string) {
		if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (customer_name, amount) VALUES ($1, 1.50)", customer); err != nil {
			t.Fatal(err)
		}
	}
	killed := startBinary(t, env, "-c", file, "-c", slow)
	killed.awaitReady()
	insert("Ada")
	insert("Ben")
	insert("Ada")
	killed.awaitMetric(`gateway_route_held{route="orders"} 3`)
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.exit(testenv.Wait)
	stopped := startBinary(t, env, "-c", file, "-c", slow)
	stopped.awaitReady()
	insert("Ada")
	stopped.awaitMetric(`gateway_route_held{route="orders"} 4`)
	stopped.cmd.Process.Signal(syscall.SIGTERM) // ends the windows
	if code := stopped.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	for _, want := range []string{`{"customer":"Ada","changes":3,"total":4.50,"largest":1.50,`, `{"customer":"Ben","changes":1,"total":1.50,"largest":1.50,`} {
		if got := (<-requests).body; !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	p := startBinary(t, env, "-c", file)
	p.awaitReady()
	insert("Cat")
	if got := (<-requests).body; !strings.HasPrefix(got, `{"customer":"Cat","changes":1,`) { // nothing comes twice
		t.Errorf("got %s", got)
	}
	p.awaitMetric(`gateway_source_outstanding{source="orders_db"} 0`)
	p.awaitMetric(`gateway_conserved 1`)
}

// TestKilledGatewayLosesNothingOfWindows proves that each event is in a window that was written, after reloads and kill -9 at
// random moments, and that the sums of a window are those of its events.
func TestKilledGatewayLosesNothingOfWindows(t *testing.T) {
	const total, keys = 60_000, 16
	dir := t.TempDir()
	config, position := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "position")
	configure := func(size int) {
		writeFile(t, config, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  made: {type: generate, rate: 0, count: %d, position: %q, key: number %% %d}
transforms:
  w: {type: window, on_error: drop, collect: {size: %d, time: 20ms, by: number %% %d}, fields: {n: count(), sum: sum(number), numbers: list(number)}}
sinks:
  out: {type: file, path: %q, sync: never, rotate: {size: 0}}
routes:
  all: {from: [made], through: [w], to: [out]}
`, total, position, keys, size, keys, filepath.Join(dir, "out.jsonl")))
	}
	const kills = 3
	for n := range kills {
		configure(20)
		p := startBinary(t, nil, "-c", config)
		p.awaitReady()
		configure(30 + n)
		p.cmd.Process.Signal(syscall.SIGHUP)
		for acked(t, position) < (n+1)*total/(kills+2) { // until a part is acked
			time.Sleep(time.Millisecond)
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.exit(testenv.Wait)
	}
	last := startBinary(t, nil, "-c", config)
	last.awaitReady()
	testenv.Eventually(t, 2*testenv.Wait, fmt.Sprintf("%d acked", total), func() bool { return acked(t, position) >= total }, func() string { return fmt.Sprint(acked(t, position)) })
	last.awaitMetric("gateway_conserved 1")
	last.cmd.Process.Signal(syscall.SIGTERM)
	if code := last.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	f, err := os.Open(filepath.Join(dir, "out.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen, torn := map[int]bool{}, 0
	next := [keys]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		e, err := event.ParseLine(lines.Bytes())
		if err != nil { // half a line: the kill was during a write
			torn++
			continue
		}
		var w struct {
			N, Sum  int
			Numbers []int
		}
		if err := json.Unmarshal(e.Data, &w); err != nil {
			t.Fatal(err)
		}
		for _, number := range w.Numbers {
			key := number % keys
			if w.Sum -= number; fmt.Sprint(key) != e.Key || number/keys > next[key] {
				t.Fatalf("event %d is in a window of the key %s, after %d", number, e.Key, next[key])
			}
			next[key] = max(next[key], number/keys+1)
			seen[number] = true
		}
		if w.N != len(w.Numbers) || w.Sum != 0 {
			t.Fatalf("wrong sums: %s", e.Data)
		}
	}
	if len(seen) != total || torn > kills {
		t.Errorf("%d of %d events, and %d lines are torn after %d kills", len(seen), total, torn, kills)
	}
}
