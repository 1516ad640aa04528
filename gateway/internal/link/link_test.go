package link_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"eventgateway/gateway/internal/link"
)

// pair returns both ends of a TCP connection with small kernel buffers.
func pair(t *testing.T) (*link.Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	one, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.Close(); other.Close() })
	if err := errors.Join(one.(*net.TCPConn).SetWriteBuffer(64<<10), other.(*net.TCPConn).SetReadBuffer(16<<10)); err != nil {
		t.Fatal(err)
	}
	return link.New(one), other.(*net.TCPConn)
}

const timeout = 400 * time.Millisecond

// TestReadDeadlineIsPostponedByBytes proves that a read with a deadline succeeds while bytes come, and ends
// when none come.
func TestReadDeadlineIsPostponedByBytes(t *testing.T) {
	conn, peer := pair(t)
	go func() {
		for range 10 {
			time.Sleep(timeout / 4)
			_, _ = peer.Write([]byte("x")) // the reader fails
		}
	}()
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(conn, make([]byte, 10)); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	begin := time.Now()
	_, err := conn.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) < timeout/4 {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}

// TestWriteOverSlowLinkSucceeds proves that a large write over a slow link, and the answer to it, may take longer than
// the deadline. A write whose peer reads nothing ends.
func TestWriteOverSlowLinkSucceeds(t *testing.T) {
	conn, peer := pair(t)
	const size = 1 << 20
	go func() {
		b := make([]byte, size/40)
		for range 40 {
			time.Sleep(timeout / 8)
			_, _ = io.ReadFull(peer, b) // the writer fails
		}
		_, _ = peer.Write([]byte("x"))
	}()
	deadline := func() {
		t.Helper()
		if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
			t.Fatal(err)
		}
	}
	deadline()
	if n, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	deadline()
	if n, err := conn.Write(make([]byte, 16*size)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d bytes that the peer does not read: %v", n, err)
	}
}

// TestWriteWithFullSendBuffer proves that a write succeeds although the kernel accepts no byte for longer than
// the deadline: it does so until much of its send buffer is sent.
func TestWriteWithFullSendBuffer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the size of the send buffer")
	}
	conn, peer := pair(t)
	if err := conn.NetConn().(*net.TCPConn).SetWriteBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	const size = 2 << 20
	go func() {
		b := make([]byte, size/50)
		for range 50 {
			time.Sleep(timeout / 8)
			_, _ = io.ReadFull(peer, b) // the writer fails
		}
		_, _ = peer.Write([]byte("x"))
	}()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestWithSilenceEndsWithoutBytes proves that the context lasts while bytes come, and ends when none come.
func TestWithSilenceEndsWithoutBytes(t *testing.T) {
	conn, peer := pair(t)
	ctx, cancel := link.WithSilence(t.Context(), conn, timeout)
	defer cancel()
	begin := time.Now()
	for range 10 {
		time.Sleep(timeout / 4)
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ctx.Err(); err != nil && time.Since(begin) < 3*timeout {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("the context does not end")
	}
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	other, cancel := link.WithSilence(t.Context(), conn, time.Hour)
	cancel()
	if err := other.Err(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
