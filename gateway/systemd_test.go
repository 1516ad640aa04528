package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// serviceManager is the part of systemd that gets notifications.
type serviceManager struct {
	t    testing.TB
	path string

	mu  sync.Mutex
	got []string // notifications, without those of the watchdog
	// alive counts the notifications of the watchdog, and status is their last status.
	alive  int
	status string
}

// listenForNotifications returns a service manager. Its socket is closed when the test ends.
func listenForNotifications(t testing.TB) *serviceManager {
	t.Helper()
	m := &serviceManager{t: t, path: filepath.Join(t.TempDir(), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 64<<10); ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			m.receive(string(b[:n]))
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return m
}

func (m *serviceManager) receive(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if status, ok := strings.CutPrefix(text, "WATCHDOG=1\nSTATUS="); ok {
		m.alive, m.status = m.alive+1, status
		return
	}
	m.got = append(m.got, text)
}

// env returns the variables that systemd sets for a service with a watchdog.
func (m *serviceManager) env(watchdog time.Duration) map[string]string {
	return map[string]string{"NOTIFY_SOCKET": m.path, "WATCHDOG_USEC": fmt.Sprint(watchdog.Microseconds())}
}

// await waits until as many notifications came as there are patterns, and each matches its pattern.
func (m *serviceManager) await(patterns ...string) {
	m.t.Helper()
	all := func() []string {
		m.mu.Lock()
		defer m.mu.Unlock()
		return append([]string{}, m.got...)
	}
	testenv.Eventually(m.t, testenv.Wait, fmt.Sprintf("%d notifications", len(patterns)), func() bool { return len(all()) >= len(patterns) })
	got := all()
	for i, pattern := range patterns {
		if !regexp.MustCompile("^" + pattern + "$").MatchString(got[i]) {
			m.t.Errorf("notification %d: %q, want %s", i+1, got[i], pattern)
		}
	}
	if len(got) != len(patterns) {
		m.t.Errorf("notifications: %q", got)
	}
}

// reports returns how often the gateway has reported that it is alive.
func (m *serviceManager) reports() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive
}

// awaitStatus waits for a status that contains text.
func (m *serviceManager) awaitStatus(text string) {
	m.t.Helper()
	testenv.Eventually(m.t, testenv.Wait, "status with "+text, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return strings.Contains(m.status, text)
	})
}

// TestSystemdIsNotified proves that systemd learns of the start, of reloads with and without success, and of the stop
// with the time that it may take. The status has what is wrong.
func TestSystemdIsNotified(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, rollingConfig("1s"))
	m := listenForNotifications(t)
	p := startBinary(t, m.env(300*time.Millisecond), "-c", file)
	m.await("READY=1")
	m.awaitStatus("ok")
	p.cmd.Process.Signal(syscall.SIGHUP)
	m.await("READY=1", `RELOADING=1\nMONOTONIC_USEC=\d+\n`, "READY=1")
	writeFile(t, file, "nonsense: true\n")
	m.awaitStatus("degraded: configuration: reload failed")
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	m.await("READY=1", `RELOADING=1\nMONOTONIC_USEC=\d+\n`, "READY=1", `RELOADING=1\nMONOTONIC_USEC=\d+\n`, "READY=1", `STOPPING=1\nEXTEND_TIMEOUT_USEC=26000000`)
}

// TestStoppedProcessIsNotAlive proves that a process that is stopped by SIGSTOP reports nothing, and reports again
// when it goes on.
func TestStoppedProcessIsNotAlive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, rollingConfig("0s"))
	m := listenForNotifications(t)
	p := startBinary(t, m.env(300*time.Millisecond), "-c", file)
	m.awaitStatus("ok")
	p.cmd.Process.Signal(syscall.SIGSTOP)
	awaitStopped(t, p)
	before := m.reports()
	time.Sleep(time.Second) // beyond the limit of the watchdog
	if now := m.reports(); now != before {
		t.Errorf("%d reports while stopped", now-before)
	}
	p.cmd.Process.Signal(syscall.SIGCONT)
	testenv.Eventually(t, testenv.Wait, "alive again", func() bool { return m.reports() > before })
	stopProgram(t, p)
}

// awaitStopped waits until a process is stopped, and all that it has sent has arrived.
func awaitStopped(t *testing.T, p *program) {
	t.Helper()
	stat := fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)
	testenv.Eventually(t, testenv.Wait, "stopped", func() bool {
		text, err := os.ReadFile(stat)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), ") T ")
	})
	time.Sleep(100 * time.Millisecond)
}

// TestSocketOfSystemdIsKept proves that a client which connects while the gateway restarts waits for the new one, where
// systemd has opened the socket. A socket that the gateway does not listen on is an error.
func TestSocketOfSystemdIsKept(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	start := func(listen string) *program {
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		writeFile(t, file, strings.ReplaceAll(rollingConfig("0s"), ":${PORT}", listen))
		cmd := exec.Command("sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`, path, "-c", file)
		cmd.ExtraFiles = append(cmd.ExtraFiles, socket)
		p := startCommand(t, nil, cmd)
		_, p.port, _ = net.SplitHostPort(address)
		return p
	}
	first := start(address)
	first.awaitReady()
	stopProgram(t, first)
	conn, err := net.Dial("tcp", address) // the gateway does not run
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	second := start(address)
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	answer := make([]byte, 15)
	if _, err := conn.Read(answer); err != nil || string(answer) != "HTTP/1.1 200 OK" {
		t.Errorf("%q, %v", answer, err)
	}
	stopProgram(t, second)

	other := start("127.0.0.1:0")
	if code := other.exit(testenv.Wait); code != 1 || !strings.Contains(other.stderr.String(), "systemd has opened "+address) {
		t.Errorf("exit status %d: %s", code, other.stderr.String())
	}
}
