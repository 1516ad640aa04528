package testenv

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Pgbouncer puts a pgbouncer in transaction mode before the package's PostgreSQL
// server, and returns its URL.
func Pgbouncer(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer" // not in the PATH of ordinary users
	}
	u, err := url.Parse(Postgres(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	port := FreePort(t)
	file := filepath.Join(t.TempDir(), "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
postgres = host=127.0.0.1 port=%s dbname=postgres user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
`, u.Port(), port)
	if os.Geteuid() == 0 { // it refuses to be root
		text += "user = postgres\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(file); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, file)
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start pgbouncer (apt-get install pgbouncer): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		if time.Since(start) > Wait {
			t.Fatalf("pgbouncer does not listen: %v", err)
		}
	}
	u.Host = addr
	return u.String()
}
