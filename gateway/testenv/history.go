package testenv

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/internal/embedded"
)

// Backup copies a server's files, and returns the folder for [StartFromBackup]. args are arguments of pg_basebackup:
// with -R the copy is a standby of the server.
func Backup(t testing.TB, of *PostgresServer, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	d := shortDir(t)
	if err := of.Backup(ctx, d, args...); err != nil {
		t.Fatal(err)
	}
	return d
}

// StartFromBackup starts a server on a copy of [Backup], at a port of 127.0.0.1. It ends with the test.
func StartFromBackup(t testing.TB, dir string, port int) *PostgresServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	s, err := embedded.StartPostgres(ctx, dir, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Wait)
		defer cancel()
		report(s.Stop(ctx))
	})
	return s
}

// Crash ends a server at once, without a shutdown. The stop at the end of the test has no effect then.
func Crash(t testing.TB, s *PostgresServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	if err := s.Crash(ctx); err != nil {
		t.Fatal(err)
	}
}

// Port returns the TCP port of a server.
func Port(t testing.TB, s *PostgresServer) int {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// ConnectTo returns a session of a server.
func ConnectTo(t testing.TB, s *PostgresServer) *pgx.Conn {
	t.Helper()
	return connect(t, s.URL())
}

// WaitForSQL waits until the answer of a query, a boolean, is true.
func WaitForSQL(t testing.TB, conn *pgx.Conn, query string, args ...any) {
	t.Helper()
	Eventually(t, Wait, fmt.Sprintf("true: %.300s", query), func() bool {
		var ok bool
		if err := conn.QueryRow(Context(t), query, args...).Scan(&ok); err != nil {
			t.Fatalf("%v: %.300s", err, query)
		}
		return ok
	})
}
