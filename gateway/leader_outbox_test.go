package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"eventgateway/gateway/testenv"
)

const storeOnce = `
http: {listen: ":${PORT}"}
sources:
  orders_db: {type: CAPTURE, url: "${DATABASE_URL}", tables: [orders], leader: orders_publisher}
sinks:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: stored_once, maxlen: 0, dead_letter: refused}
  refused: {type: file, path: "${DIR}/refused", sync: never}
routes:
  all: {from: [orders_db], to: [stream]}
`

// storedOrders returns the ids of the orders in the stream.
func storedOrders(t *testing.T) (ids []int) {
	t.Helper()
	entries, err := testenv.RedisClient(t).XRange(testenv.Context(t), "stored_once", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var m struct{ Order struct{ ID int } }
		if err := json.Unmarshal([]byte(e.Values["data"].(string)), &m); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Order.ID)
	}
	return ids
}

// TestTwoGatewaysStoreOnce proves that two gateways with an outbox, or with a slot, store each change once. After a
// freeze of the leader, its successor redelivers events that are not acked. After the thaw, the former
// leader stores nothing.
func TestTwoGatewaysStoreOnce(t *testing.T) {
	for mode := range rowSources {
		t.Run(mode, func(t *testing.T) { storeByTwoGateways(t, mode) })
	}
}

func storeByTwoGateways(t *testing.T, mode string) {
	env := realServers(t)
	env["DIR"] = t.TempDir()
	config := filepath.Join(env["DIR"], "once.yaml")
	writeFile(t, config, strings.Replace(storeOnce, "CAPTURE", rowSources[mode], 1))
	testenv.RedisClient(t).Del(testenv.Context(t), "stored_once")
	dropOutbox(t) // the one of another test may hold events
	orders, stop := startWriter(t)
	if code := startBinary(t, env, "sql", "--mode", mode, "--table", "orders", "--apply").exit(testenv.Wait); code != 0 {
		t.Fatalf("gateway sql: exit status %d", code)
	}
	begin := func() *program {
		p := startBinary(t, env, "-c", config)
		p.awaitReady()
		return p
	}
	await := func(id int) (ids []int) {
		t.Helper()
		testenv.Eventually(t, testenv.Wait, fmt.Sprintf("order %d stored", id), func() bool {
			ids = storedOrders(t)
			return len(ids) > 0 && ids[len(ids)-1] >= id
		})
		return ids
	}
	first := begin()
	first.awaitLeading()
	second := begin()
	if a, b := first.leader(), second.leader(); a.State != "leader" || b.State != "standby" {
		t.Fatalf("states %+v and %+v", a, b)
	}
	ids := await(orders.committed() + 500)
	for i, id := range ids[1:] {
		if id != ids[i]+1 {
			t.Fatalf("order %d follows order %d while both run", id, ids[i])
		}
	}
	if err := first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "the successor leading", func() bool { return second.leader().State == "leader" })
	await(orders.committed() + 1)
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "the former leader standing by", func() bool { return first.leader().State == "standby" })
	await(orders.committed() + 500)
	stop()
	ids = await(orders.committed())
	redeliveries, latest := 0, ids[0]-1
	for i, id := range ids {
		if i > 0 && id <= ids[i-1] {
			redeliveries++
		}
		if id > latest+1 {
			t.Fatalf("order %d follows order %d: the orders between are lost", id, latest)
		}
		latest = max(latest, id)
	}
	if redeliveries > 1 {
		t.Errorf("the stream goes back %d times: the former leader has stored events", redeliveries)
	}
	t.Logf("%d orders, %d repeated", latest-ids[0]+1, len(ids)-(latest-ids[0]+1))
	for _, p := range []*program{first, second} {
		p.awaitMetric("gateway_conserved 1")
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("exit status %d", code)
		}
	}
	dropOutbox(t) // other tests use the table without an outbox
}

// dropOutbox drops the outbox, the slots and the publication.
func dropOutbox(t *testing.T) {
	t.Helper()
	db := testenv.Connect(t)
	testenv.DropSlots(t, db)
	if _, err := db.Exec(testenv.Context(t), "DROP SCHEMA IF EXISTS gateway CASCADE"); err != nil {
		t.Fatal(err)
	}
}
