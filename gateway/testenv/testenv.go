// Package testenv starts real servers for tests: PostgreSQL, Redis, and a TCP proxy
// that freezes and cuts connections. If a server is not installed, the test fails with an error that
// names the package to install; it is never skipped.
package testenv

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"eventgateway/gateway/internal/embedded"
)

// PostgresServer is a PostgreSQL server that a test has started.
type PostgresServer = embedded.Postgres

// RedisServer is a Redis server that a test has started.
type RedisServer = embedded.Redis

// Wait is how long tests wait for a signal that should come at once.
const Wait = 30 * time.Second

// servers are the servers of this test binary: each is started by the first test that
// needs it and stopped by Main.
var servers struct {
	sync.Mutex
	postgres *PostgresServer
	redis    *RedisServer
	dirs     []string
	ports    []*os.File // the locks of processPort
}

// Main runs the tests of a package, stops the servers, calls cleanup, and fails if goroutines
// are left. Call it from TestMain.
func Main(m *testing.M, cleanup ...func()) {
	code := m.Run()
	stopServers()
	for _, f := range cleanup {
		f()
	}
	if code == 0 {
		// go-redis's pool checks only once a second whether it was closed.
		pool := goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
		if err := goleak.Find(pool); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Postgres returns the package's PostgreSQL server, on a TCP port of its own.
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	if servers.postgres == nil {
		ctx, cancel := context.WithTimeout(context.Background(), Wait)
		defer cancel()
		s, err := embedded.StartPostgres(ctx, dir(t), processPort(t), "-c", "max_prepared_transactions=20")
		if err != nil {
			t.Fatal(err)
		}
		servers.postgres = s
	}
	return servers.postgres
}

// StartPostgres starts a PostgreSQL server for one test. It ends with the test. args are arguments of the server.
func StartPostgres(t testing.TB, args ...string) *PostgresServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	s, err := embedded.StartPostgres(ctx, shortDir(t), FreePort(t), args...)
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

// Redis returns the package's Redis server, on a TCP port of its own.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	if servers.redis == nil {
		ctx, cancel := context.WithTimeout(context.Background(), Wait)
		defer cancel()
		s, err := embedded.StartRedis(ctx, dir(t), processPort(t))
		if err != nil {
			t.Fatal(err)
		}
		servers.redis = s
	}
	return servers.redis
}

// RedisClient returns a client of the package's Redis server.
func RedisClient(t testing.TB) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(Redis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opt)
	t.Cleanup(func() { c.Close() })
	return c
}

// shortDir creates a folder with a short path, as Unix sockets need. It is removed when the test ends.
func shortDir(t testing.TB) string {
	t.Helper()
	d, err := os.MkdirTemp("/tmp", "egtest")
	must(t, err)
	t.Cleanup(func() { report(os.RemoveAll(d)) })
	return d
}

// dir creates a folder with a short path that is removed when the package's tests end.
func dir(t testing.TB) string {
	d, err := os.MkdirTemp("/tmp", "egtest")
	if err != nil {
		t.Fatal(err)
	}
	servers.dirs = append(servers.dirs, d)
	return d
}

func stopServers() {
	servers.Lock()
	defer servers.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	if servers.postgres != nil {
		report(servers.postgres.Stop(ctx))
	}
	if servers.redis != nil {
		report(servers.redis.Stop(ctx))
	}
	for _, d := range servers.dirs {
		report(os.RemoveAll(d))
	}
}

func report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
	}
}

// Context returns a context that ends with the test, or after a minute.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
