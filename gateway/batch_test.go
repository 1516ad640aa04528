package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// batches proves that orders arrive in arrays, also if in_flight of the source is smaller than a window. Events that
// a window held at a kill -9 are redelivered by the next gateway.
func batches(t *testing.T, file string) {
	const orders = 13
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
	few, slow := filepath.Join(t.TempDir(), "few.yaml"), filepath.Join(t.TempDir(), "slow.yaml")
	for path, text := range map[string]string{
		few:  "sources: {orders_db: {in_flight: 5}}\n",
		slow: "transforms: {by_customer: {collect: {time: 10m}}}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	killed := startBinary(t, env, "-c", file, "-c", slow)
	killed.awaitReady()
	for range orders {
		if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (customer_name, amount) VALUES ('Ada', 1.50)"); err != nil {
			t.Fatal(err)
		}
	}
	killed.awaitMetric(`gateway_route_held{route="orders"} 13`)
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.exit(testenv.Wait)
	p := startBinary(t, env, "-c", file, "-c", few)
	var ids []int
	for end := time.After(testenv.Wait); len(ids) < orders; {
		select {
		case got := <-requests:
			var list []struct {
				Order struct {
					ID       int    `json:"id"`
					Customer string `json:"customer_name"`
				} `json:"order"`
			}
			if err := json.Unmarshal([]byte(got.body), &list); err != nil || len(list) == 0 || got.header.Get("Webhook-Id") == "" {
				t.Fatalf("%v: %s", err, got.body)
			}
			for _, one := range list {
				ids = append(ids, one.Order.ID)
			}
		case <-end:
			t.Fatalf("only the orders %v have arrived", ids)
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != orders {
		t.Errorf("orders %v", ids)
	}
	p.awaitMetric(`gateway_source_outstanding{source="orders_db"} 0`)
	p.awaitMetric(`gateway_conserved 1`)
}
