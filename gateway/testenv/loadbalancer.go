package testenv

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
)

// StartProxy runs nginx, Caddy or HAProxy until the test ends, and waits until it listens on a port.
func StartProxy(t testing.TB, port int, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name // not in the PATH of ordinary users
	}
	cmd := exec.Command(path, args...)
	var out Log
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir}
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start %s (apt-get install %s): %v", name, name, err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	Eventually(t, Wait, name+" to listen", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, out.String)
}
