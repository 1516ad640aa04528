package testenv

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Pgbouncer is a pgbouncer in front of the package's PostgreSQL server. It ends with the test.
type Pgbouncer struct {
	Mode     string // pool_mode: session, transaction, or statement
	User     string // the role of all sessions; "" for postgres
	PoolSize int    // sessions at the server; 0 for pgbouncer's default
	Ignore   string // ignore_startup_parameters

	path, file string
	port       int
	server     *url.URL
	cmd        *exec.Cmd
}

// StartPgbouncer starts a pgbouncer.
func StartPgbouncer(t testing.TB, options Pgbouncer) *Pgbouncer {
	t.Helper()
	b := &options
	var err error
	if b.path, err = exec.LookPath("pgbouncer"); err != nil {
		b.path = "/usr/sbin/pgbouncer" // not in the PATH of ordinary users
	}
	if b.server, err = url.Parse(Postgres(t).URL()); err != nil {
		t.Fatal(err)
	}
	b.port = FreePort(t)
	b.file = filepath.Join(t.TempDir(), "pgbouncer.ini")
	b.write(t)
	for dir := filepath.Dir(b.file); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // it does not run as root
			t.Fatal(err)
		}
	}
	b.Start(t)
	t.Cleanup(b.Kill)
	return b
}

func (b *Pgbouncer) write(t testing.TB) {
	t.Helper()
	user := b.User
	if user == "" {
		user = "postgres"
	}
	text := fmt.Sprintf(`[databases]
postgres = host=127.0.0.1 port=%s dbname=postgres user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
admin_users = postgres
pool_mode = %s
`, b.server.Port(), user, b.port, b.Mode)
	if b.PoolSize > 0 {
		text += fmt.Sprintf("default_pool_size = %d\n", b.PoolSize)
	}
	if b.Ignore != "" {
		text += fmt.Sprintf("ignore_startup_parameters = %s\n", b.Ignore)
	}
	if os.Geteuid() == 0 { // it refuses to be root
		text += "user = postgres\n"
	}
	if err := os.WriteFile(b.file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// URL returns the URL of the database behind pgbouncer.
func (b *Pgbouncer) URL() string {
	u := *b.server
	u.Host = fmt.Sprintf("127.0.0.1:%d", b.port)
	return u.String()
}

// Start starts pgbouncer again after Kill.
func (b *Pgbouncer) Start(t testing.TB) {
	t.Helper()
	b.cmd = exec.Command(b.path, b.file)
	b.cmd.Dir = "/"
	if err := b.cmd.Start(); err != nil {
		t.Fatalf("cannot start pgbouncer (apt-get install pgbouncer): %v", err)
	}
	Eventually(t, Wait, "listening: pgbouncer", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// Kill kills pgbouncer, and with it all sessions.
func (b *Pgbouncer) Kill() {
	_ = b.cmd.Process.Kill() // it may have ended
	_ = b.cmd.Wait()
}

// SetMode changes pool_mode while it runs.
func (b *Pgbouncer) SetMode(t testing.TB, mode string) {
	t.Helper()
	b.Mode = mode
	b.write(t)
	b.Command(t, "RELOAD")
}

// Command runs a command at pgbouncer's console.
func (b *Pgbouncer) Command(t testing.TB, command string) {
	t.Helper()
	ctx := Context(t)
	conn, err := pgconn.Connect(ctx, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/pgbouncer?sslmode=disable", b.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, command).ReadAll(); err != nil {
		t.Fatalf("pgbouncer: %s: %v", command, err)
	}
}
