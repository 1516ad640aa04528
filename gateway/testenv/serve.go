package testenv

import (
	"net"
	"sync"
	"testing"
)

// Serve starts a TCP server on this machine, and returns its address. It ends with the test. It calls serve for each
// connection, in a goroutine of its own, and closes the connection when serve returns or the test ends.
func Serve(t testing.TB, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	ended, open := false, map[net.Conn]bool{}
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if open[conn] = true; ended {
				conn.Close()
			}
			mu.Unlock()
			serving.Go(func() {
				serve(conn)
				conn.Close()
				mu.Lock()
				defer mu.Unlock()
				delete(open, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		ended = true
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return l.Addr().String()
}
