package httpserver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// listenSocket starts a server on a Unix socket, until stop is called.
func listenSocket(t *testing.T, path string, mode fs.FileMode, h http.Handler) (stop func()) {
	t.Helper()
	s, err := Listen(Options{Name: "test", Address: "unix:" + path, SocketMode: mode, Limits: long(10, 1), Metrics: NewMetrics(), Urgent: func(string) bool { return false }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Start(h)
	return func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestUnixSocket proves that a server on a Unix socket replaces one that a killed program has left, but not one that is
// in use or another file, sets its permissions, and removes it at its end. Its peers have a loopback address, and
// PerAddress does not bound them.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	stop := listenSocket(t, path, 0o660, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		io.WriteString(w, r.RemoteAddr+" "+local.String())
	}))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Listen(Options{Name: "test", Address: "unix:" + path, Metrics: NewMetrics()}, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a socket in use: %v", err)
	}
	for range 3 {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get("http://localhost/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "127.0.0.1:0 127.0.0.1:0" {
			t.Errorf("the addresses are %s", body)
		}
	}
	stop()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Options{Name: "test", Address: "unix:" + path, Metrics: NewMetrics()}, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another file: %v", err)
	}
}
