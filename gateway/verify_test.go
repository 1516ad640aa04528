package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestVerifyExitStatus proves the exit statuses that scripts rely on, that the standard input is read, and that no password is printed.
func TestVerifyExitStatus(t *testing.T) {
	db := testenv.OrdersTable(t)
	if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (id, status) VALUES (1, 'new'), (2, 'new')"); err != nil {
		t.Fatal(err)
	}
	const row = `{"operation" : "INSERT", "order" : {"id":1,"customer_name":null,"product_name":null,"status":"new","amount":null`
	rest := ""
	if err := db.QueryRow(testenv.Context(t), "SELECT substr(row_to_json(o)::text, strpos(row_to_json(o)::text, ',\"created_at\"')) FROM orders o WHERE id = 1").Scan(&rest); err != nil {
		t.Fatal(err)
	}
	one := row + rest + "}\n"
	both := one + strings.Replace(one, `"id":1`, `"id":2`, 1)
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	verify := func(received string, want int, text string, args ...string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(received), 0o600); err != nil {
			t.Fatal(err)
		}
		p := startBinary(t, realServers(t), append([]string{"verify", "--table", "orders", "--wait", "0s"}, args...)...)
		status := p.exit(testenv.Wait)
		out := p.stderr.String()
		for len(p.lines) > 0 {
			out += <-p.lines + "\n"
		}
		if status != want || !strings.Contains(out, text) || strings.Contains(out, "secret") {
			t.Errorf("%q: exit status %d, want %d, printed\n%s", args, status, want, out)
		}
	}
	verify(both, 0, "2 rows compared, 2 equal", "--received", path)
	verify(one, 1, "missing   public.orders:2", "--received", path)
	verify(both, 2, "no such file", "--received", path+".missing")
	verify(both, 2, "cannot connect", "--received", path, "--url", "postgres://postgres:secret@127.0.0.1:1/postgres")
	verify(both, 2, "unknown flag", "--receive", path)
	verify(both, 1, "2 missing", "--received", "-") // the standard input is empty
}
