package testenv

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/internal/embedded"
)

// StartRedis starts a Redis server for one test. It ends with the test. args are arguments of redis-server.
func StartRedis(t testing.TB, args ...string) (server *RedisServer, port int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	port = FreePort(t)
	server, err := embedded.StartRedis(ctx, shortDir(t), port, args...)
	must(t, err)
	t.Cleanup(server.Kill)
	return server, port
}

// Sentinel starts a Redis with a replica and a Sentinel that monitors them. kill ends
// the master. promoted waits until the replica has become the master.
func Sentinel(t testing.TB) (url string, kill, promoted func()) {
	t.Helper()
	master, masterPort := StartRedis(t)
	_, replicaPort := StartRedis(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", masterPort))
	ctx := Context(t)
	replica := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", replicaPort)})
	defer replica.Close()
	Eventually(t, Wait, "the replica to follow", func() bool { // the Sentinel checks only every 10 s
		role, err := replica.Do(ctx, "ROLE").Slice()
		return err == nil && len(role) > 3 && role[3] == "connected"
	})
	port := StartSentinel(t, masterPort)
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})
	t.Cleanup(func() { sentinel.Close() })
	Eventually(t, Wait, "the Sentinel to see the replica", func() bool {
		replicas, err := sentinel.Replicas(ctx, "orders").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})
	return fmt.Sprintf("redis-sentinel://127.0.0.1:%d?master_name=orders", port), master.Kill, func() {
		t.Helper()
		Eventually(t, Wait, "the replica to take over", func() bool {
			addr, err := sentinel.GetMasterAddrByName(ctx, "orders").Result()
			return err == nil && len(addr) == 2 && addr[1] == strconv.Itoa(replicaPort)
		})
	}
}

// StartSentinel starts a Sentinel that monitors the master at a port, under the name orders. lines are further lines of its
// configuration. It ends with the test.
func StartSentinel(t testing.TB, masterPort int, lines ...string) (port int) {
	t.Helper()
	d, port := t.TempDir(), FreePort(t)
	file := filepath.Join(d, "sentinel.conf") // it writes there, too
	text := fmt.Sprintf("port %d\ndir %s\n%s\n", port, d, strings.Join(lines, "\n"))
	must(t, os.WriteFile(file, fmt.Appendf(nil, `%ssentinel monitor orders 127.0.0.1 %d 1
sentinel down-after-milliseconds orders 300
sentinel failover-timeout orders 3000
`, text, masterPort), 0o600))
	cmd := exec.Command("redis-server", file, "--sentinel")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	Eventually(t, Wait, "listening: the Sentinel", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return port
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
