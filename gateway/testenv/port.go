package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// firstPort and lastPort bound the ports of tests. They are below the ports of outgoing connections, which could use
// a port before a server listens on it.
const firstPort, lastPort = 20_000, 32_000

// FreePort returns a port of 127.0.0.1 that nothing listens on, for a server that cannot listen on port 0. No
// other test on this machine gets it before this one has ended.
func FreePort(t testing.TB) int {
	t.Helper()
	port, lock := lockPort(t)
	t.Cleanup(func() { lock.Close() })
	return port
}

// processPort is FreePort for the process instead of the test.
func processPort(t testing.TB) int {
	t.Helper()
	port, lock := lockPort(t)
	servers.ports = append(servers.ports, lock)
	return port
}

// lockPort returns a free port and its lock, a locked file. The lock ends when the file is closed or the process ends.
func lockPort(t testing.TB) (port int, lock *os.File) {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "eventgateway-test-ports")
	if err := os.Mkdir(dir, 0o777); err == nil {
		must(t, os.Chmod(dir, 0o777)) // tests of several users share it
	}
	for range 10 * (lastPort - firstPort) {
		port = firstPort + rand.IntN(lastPort-firstPort)
		lock, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(port)), os.O_CREATE|os.O_RDONLY, 0o644)
		must(t, err)
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && canListen(port) {
			return port, lock
		}
		lock.Close()
	}
	t.Fatal("no port is free")
	return 0, nil
}

// canListen reports whether a server could listen on a port.
func canListen(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
