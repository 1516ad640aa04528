package pgverify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

// TestUnderWrites proves that what is on its way is no difference: rows that change all the time, keys that change, and rows that
// come and go, beside a receiver whose file is renamed again and again.
func TestUnderWrites(t *testing.T) {
	db := reset(t, ordersSQL+`INSERT INTO orders SELECT n, 'old', n FROM generate_series(1, 300) n; CREATE TABLE marks (id int PRIMARY KEY, n int);
		INSERT INTO marks SELECT n, 0 FROM generate_series(1, 3) n;`, "orders", "marks")
	events, path := fileSink(t, "event", 100_000)
	marks := map[string]chan struct{}{}
	for n := range 3 {
		marks[fmt.Sprint("public.marks:", n+1)] = make(chan struct{}, 10)
	}
	r := receiveMarks(t, marks, outboxSource(t, "change", "orders", "marks"), events)
	r.await(t, 303)
	var writers sync.WaitGroup
	ctx, stop := context.WithCancel(testenv.Context(t))
	for n := range 3 {
		conn := testenv.Connect(t)
		writers.Go(func() {
			for ctx.Err() == nil {
				writeSome(ctx, conn)
				// The next changes follow when these were received, so that the receiver is not left behind.
				if _, err := conn.Exec(ctx, "UPDATE marks SET n = n + 1 WHERE id = $1", n+1); err != nil {
					continue
				}
				select {
				case <-marks[fmt.Sprint("public.marks:", n+1)]:
				case <-ctx.Done():
				}
			}
		})
	}
	for n := range 5 {
		r.await(t, 303+50*(n+1))
		out, status, err := verify(t, nil, "--table", "orders", "--received", path, "--wait", "30s")
		if status != 0 {
			t.Errorf("exit status %d, %v, printed\n%s", status, err, out)
		}
	}
	stop()
	writers.Wait()
	var id int
	if err := db.QueryRow(testenv.Context(t), "SELECT min(id) FROM orders").Scan(&id); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "SET session_replication_role = replica")
	exec(t, db, "UPDATE orders SET status = 'stale' WHERE id = $1", id)
	out, status, err := verify(t, nil, "--table", "orders", "--received", path, "--wait", "200ms") // the last events may be on their way
	if want := fmt.Sprintf("different public.orders:%d: status\n", id); status != 1 || !strings.Contains(out, want) {
		t.Errorf("exit status %d, %v, printed\n%s, want %s", status, err, out, want)
	}
}

// writeSome changes random rows, of which some are changed by all writers.
func writeSome(ctx context.Context, conn *pgx.Conn) {
	a, b := rand.IntN(300)+1, rand.IntN(300)+301
	for _, sql := range []string{
		fmt.Sprintf("UPDATE orders SET amount = amount + 1 WHERE id = %d", a%5+1),
		fmt.Sprintf("INSERT INTO orders VALUES (%d, 'new', 0) ON CONFLICT (id) DO UPDATE SET amount = orders.amount + 1", b),
		fmt.Sprintf("BEGIN; UPDATE orders SET status = 'x' WHERE id = %d; UPDATE orders SET status = 'y' WHERE id = %[1]d; ROLLBACK", a),
		fmt.Sprintf("BEGIN; UPDATE orders SET status = 'a' WHERE id = %d; UPDATE orders SET status = 'b%d' WHERE id = %[1]d; COMMIT", a, b),
		fmt.Sprintf("UPDATE orders SET id = id + 1000 WHERE id = %d AND NOT EXISTS (SELECT FROM orders WHERE id = %[1]d + 1000)", b),
		fmt.Sprintf("DELETE FROM orders WHERE id = %d", b+1000),
	} {
		// A unique violation, a deadlock, or the end of the test changes nothing.
		_, _ = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	}
}

// TestManyRows proves that 100,000 rows are compared, also where their file is in many parts, and that each one that differs is counted.
func TestManyRows(t *testing.T) {
	const rows = 100_000
	db := reset(t, ordersSQL, "orders")
	events, path := fileSink(t, "event", 5<<20)
	r := receive(t, outboxSource(t, "order"), events)
	exec(t, db, `INSERT INTO orders SELECT n, repeat('x', n % 100), n FROM generate_series(1, $1) n`, rows)
	r.await(t, rows)
	args := []string{"--table", "orders", "--received", path, "--wait", "0s"}
	equal(t, rows, nil, args...)
	equal(t, 2000, nil, append(args, "--sample", "1000")...) // of the table, and of what was received
	exec(t, db, `SET session_replication_role = replica; UPDATE orders SET id = -id WHERE id <= 20000; UPDATE orders SET status = NULL WHERE id BETWEEN 20001 AND 50000`)
	out, status, _ := verify(t, nil, append(args, "--limit", "0")...)
	if want := "and 70000 more\npublic.orders: 100000 rows compared, 50000 equal, 20000 missing, 30000 different, 20000 extra\n"; status != 1 || !strings.HasPrefix(out, want) {
		t.Errorf("exit status %d, printed\n%s", status, out)
	}
	out, status, _ = verify(t, nil, append(args, "--sample", "2000", "--limit", "2000")...)
	if status != 1 || !strings.Contains(out, "extra     public.orders:") || !strings.Contains(out, "missing   public.orders:-") {
		t.Errorf("exit status %d, printed\n%s", status, out)
	}
}

// TestConditionAndSample proves which rows are compared, and that a row which was received is extra only if the table has none of its key.
func TestConditionAndSample(t *testing.T) {
	db := reset(t, ordersSQL, "orders")
	events, path := fileSink(t, "event", 0)
	r := receive(t, outboxSource(t, "order"), events)
	exec(t, db, `INSERT INTO orders SELECT n, 'new', n FROM generate_series(1, 100) n`)
	r.await(t, 100)
	exec(t, db, `SET session_replication_role = replica; UPDATE orders SET status = 'stale' WHERE id = 50; DELETE FROM orders WHERE id = 7; INSERT INTO orders VALUES (101, 'lost', 0)`)
	for where, want := range map[string]string{
		"id < 50":                                "48 rows compared, 48 equal, 0 missing, 0 different, 1 extra",
		"orders.status = 'stale' -- a comment":   "1 rows compared, 0 equal, 0 missing, 1 different, 1 extra",
		"id IN (SELECT max(o.id) FROM orders o)": "1 rows compared, 0 equal, 1 missing, 0 different, 1 extra",
		"false":                                  "0 rows compared, 0 equal, 0 missing, 0 different, 1 extra",
	} {
		out, status, err := verify(t, nil, "--table", "orders", "--received", path, "--wait", "0s", "--where", where)
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: exit status %d, %v, printed\n%s", where, status, err, out)
		}
	}
	out, status, err := verify(t, nil, "--table", "orders", "--received", path, "--wait", "0s", "--where", "id > 60", "--sample", "1000")
	if want := "41 rows compared, 40 equal, 1 missing, 0 different, 1 extra"; status != 1 || !strings.Contains(out, want) {
		t.Errorf("exit status %d, %v, printed\n%s", status, err, out)
	}
	for where, want := range map[string]string{
		"nothing = 1":                            `column "nothing" does not exist`,
		"true); DROP TABLE orders; SELECT (true": "cannot insert multiple commands",
		"nextval('gateway.outbox_id_seq') > 0":   "read-only transaction",
	} {
		if out, status, err := verify(t, nil, "--table", "orders", "--received", path, "--where", where); status != 2 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: exit status %d, %v, printed\n%s", where, status, err, out)
		}
	}
}
