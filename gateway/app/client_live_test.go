package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

// customerConfig is a gateway whose clients see the orders of the customer in their token. The Redis channel brings no event: a
// test cuts its connection, which is a gap for all clients.
const customerConfig = `
http: {listen: "127.0.0.1:${PORT}"}
sources:
  orders_db: {type: postgres-outbox, url: "${DATABASE_URL}", tables: [orders], output: change}
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [none]}
sinks:
  out:
    type: websocket
    origins: ["*"]
    auth: {jwt: {algorithm: HS256, key: "` + presenceSecret + `"}}
    authorize: new.customer_name == claims.sub
    snapshot: {url: "${DATABASE_URL}", tables: [orders], output: change}
routes: {live: {from: [orders_db, bus], to: [out]}}
`

// followOrders has a page keep the orders of Ada: from snapshots, and the changes behind them.
const followOrders = `(globalThis.orders = new Map(), globalThis.snapshots = 0, globalThis.refused = [],
	globalThis.apply = ({ operation, old, new: row }) => {
		if (old) orders.delete(old.id);
		if (row) orders.set(row.id, row.amount);
	},
	globalThis.client = new GatewayClient(%q, { ...options, token: %q }),
	client.subscribe({ snapshot: "orders" }, {
		onSnapshot: (rows) => { snapshots++; orders.clear(); for (const row of rows) apply(parse(row)); },
		onMessage: (payload) => apply(parse(payload)),
		onLeave: ({ old }) => orders.delete(old.id),
		onGap: ({ reason }) => refused.push("a gap: " + reason),
		onRefused: (why) => refused.push(why),
	}), 0)`

// writeOrders changes random orders, but not the first, until stop is set.
func writeOrders(t *testing.T, conn *pgx.Conn, seed uint64, stop *atomic.Bool, changes *atomic.Int64) {
	r := rand.New(rand.NewPCG(seed, seed))
	for ; !stop.Load(); changes.Add(1) {
		id, customer := 2+r.IntN(6000), []string{"Ada", "Bob"}[r.IntN(2)]
		sql := []string{
			fmt.Sprintf("UPDATE orders SET amount = %d WHERE id = %d", r.IntN(1000), id),
			fmt.Sprintf("UPDATE orders SET customer_name = '%s' WHERE id = %d", customer, id),
			fmt.Sprintf("DELETE FROM orders WHERE id = %d", id),
			fmt.Sprintf("INSERT INTO orders (id, customer_name, amount) VALUES (%d, '%s', 7) ON CONFLICT (id) DO UPDATE SET amount = 8", id, customer),
		}[r.IntN(4)]
		if _, err := conn.Exec(testenv.Context(t), sql); err != nil {
			t.Error(err)
			return
		}
	}
}

// TestPageEqualsTable proves with a real gateway and a real database that a page with a snapshot and the changes behind it ends with the
// orders that its token allows, while others write; and that a gap leads to a new snapshot.
func TestPageEqualsTable(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		db := testenv.Connect(t)
		recreate(t, db, outboxSQL())
		exec := func(sql string) {
			t.Helper()
			if _, err := db.Exec(testenv.Context(t), sql); err != nil {
				t.Fatal(err)
			}
		}
		exec("INSERT INTO orders (customer_name, amount) SELECT CASE WHEN n % 2 = 1 THEN 'Ada' ELSE 'Bob' END, n % 1000 FROM generate_series(1, 5000) n")
		r := startGateway(t, writeConfig(t, customerConfig), nil)
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		var stop atomic.Bool
		var changes atomic.Int64
		var writers sync.WaitGroup
		defer writers.Wait()
		defer stop.Store(true)
		for n := range 3 {
			conn := testenv.Connect(t)
			writers.Go(func() { writeOrders(t, conn, seed+uint64(n), &stop, &changes) })
		}
		testenv.Eventually(t, testenv.Wait, "writing", func() bool { return changes.Load() > 50 })
		before := changes.Load()
		e.run(t, fmt.Sprintf(followOrders, "ws://127.0.0.1:"+r.port+"/", roomToken(t, "Ada")))
		e.await(`snapshots > 0 && client.state === "connected"`)
		if changes.Load() == before {
			t.Error("nothing was written during the snapshot")
		}
		after := changes.Load()
		testenv.Eventually(t, testenv.Wait, "changes behind the snapshot", func() bool { return changes.Load() > after+200 })

		former := e.run(t, `snapshots`)
		exec("SET session_replication_role = replica; UPDATE orders SET amount = 4242 WHERE id = 1; RESET session_replication_role") // no event tells of it
		if err := testenv.RedisClient(t).Do(testenv.Context(t), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		e.await(`snapshots > ` + former + ` && orders.get(1) === 4242`)
		stop.Store(true)
		writers.Wait()
		exec("INSERT INTO orders (id, customer_name, amount) VALUES (1000000, 'Ada', 1)")
		e.await(`orders.has(1000000)`)

		rows, err := db.Query(testenv.Context(t), "SELECT id, amount::float8 FROM orders WHERE customer_name = 'Ada' ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		want, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (one [2]float64, err error) {
			return one, row.Scan(&one[0], &one[1])
		})
		if err != nil {
			t.Fatal(err)
		}
		var got [][2]float64
		if err := json.Unmarshal([]byte(e.run(t, `[...orders].sort(([a], [b]) => a - b)`)), &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the page has %d orders, the table %d", len(got), len(want))
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("order %d is %v, want %v", i, got[i], want[i])
				}
			}
		}
		refused := e.run(t, `refused`)
		if strings.Contains(refused, "a gap") {
			t.Errorf("a subscription with a snapshot was told of %s", refused)
		}
		t.Logf("%d changes, %d orders, %s snapshots, refused: %s", changes.Load(), len(want), e.run(t, `snapshots`), refused)
		e.run(t, `(client.close(), 0)`)
	})
}
