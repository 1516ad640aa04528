package main

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// fromWAL proves that browsers get each inserted order from the write-ahead log. On servers of the user it also proves that
// commands install what this needs, list it, and remove it.
func fromWAL(t *testing.T, file string, servers map[string]string) {
	env := map[string]string{"PARKED_FILE": filepath.Join(t.TempDir(), "parked.jsonl")}
	maps.Copy(env, servers)
	insert := func(p *program) { requestDemo(t, p) }
	embedded := servers["DATABASE_URL"] == ""
	if !embedded {
		db := testenv.OrdersTable(t)
		dropOutbox(t)
		t.Cleanup(func() { dropOutbox(t) })
		runCommand(t, servers, 0, "sql", "--mode", "wal", "--table", "orders", "--apply")
		t.Cleanup(func() { runCommand(t, servers, 0, "sql", "--mode", "wal", "--table", "orders", "--drop", "--apply") })
		insert = func(*program) {
			if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (customer_name, amount) VALUES ('Ada', 1.50)"); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := startBinary(t, env, "-c", file)
	p.awaitLeading()
	conn := dial(t, p)
	read(t, conn) // welcome
	for n := range 3 {
		insert(p)
		if frame := read(t, conn); !strings.Contains(frame, `"customer_name":`) || !strings.Contains(frame, `,"_source":"postgres_wal"}`) {
			t.Errorf("order %d: %s", n, frame)
		}
	}
	if embedded {
		return
	}
	if got := runCommand(t, servers, 0, "wal", "list"); !strings.Contains(got, "active, pid ") || !strings.Contains(got, "eventgateway orders_db") {
		t.Errorf("gateway wal list: %s", got)
	}
	runCommand(t, servers, 1, "wal", "drop", "gateway") // it is read
	p.cmd.Process.Kill()
	<-p.exited
	db := testenv.Connect(t)
	testenv.Eventually(t, testenv.Wait, "free: the slot", func() bool {
		var active bool
		err := db.QueryRow(testenv.Context(t), "SELECT active FROM pg_replication_slots WHERE slot_name = 'gateway'").Scan(&active)
		return err == nil && !active
	})
	if got := runCommand(t, servers, 0, "wal", "drop", "gateway"); !strings.Contains(got, "the slot gateway is removed") {
		t.Errorf("gateway wal drop: %s", got)
	}
}

// runCommand runs a command of the program, and returns what it prints. status is the exit status that it must have.
func runCommand(t *testing.T, env map[string]string, status int, args ...string) (printed string) {
	t.Helper()
	p := startBinary(t, env, args...)
	if code := p.exit(testenv.Wait); code != status {
		t.Fatalf("gateway %v: exit status %d, want %d", args, code, status)
	}
	for {
		select {
		case line := <-p.lines:
			printed += line + "\n"
		default:
			return printed
		}
	}
}
