package websocket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// streamConn is one stream of an HTTP/2 connection, on which the answer with server-sent events is sent. A client has
// nothing to send, so reads only wait until the client has gone, or until their deadline.
type streamConn struct {
	net.Conn // one end of a pipe: its reads and their deadlines are used
	other    net.Conn
	w        http.ResponseWriter
	control  *http.ResponseController
	unwatch  func() bool // ends the wait for the end of the client

	mu       sync.Mutex
	until    time.Time // deadline of writes
	finished bool      // the handler returns, and w must not be used any more
}

// newStreamConn returns the connection of the answer to r.
func newStreamConn(w http.ResponseWriter, r *http.Request) *streamConn {
	s := &streamConn{w: w, control: http.NewResponseController(w)}
	s.Conn, s.other = net.Pipe()
	s.unwatch = context.AfterFunc(r.Context(), func() { s.other.Close() })
	return s
}

// Write writes to the answer, and sends it.
func (s *streamConn) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err == nil {
		err = s.control.Flush()
	}
	if err == nil {
		return n, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.until.IsZero() && !time.Now().Before(s.until) {
		return n, errors.Join(os.ErrDeadlineExceeded, err)
	}
	return n, err
}

// SetDeadline is part of [net.Conn].
func (s *streamConn) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetWriteDeadline is part of [net.Conn]. A write that exceeds it ends the stream.
func (s *streamConn) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return net.ErrClosed
	}
	s.until = t
	return s.control.SetWriteDeadline(t)
}

// CloseWrite ends reads, so that the handler returns, which sends the end of the answer.
func (s *streamConn) CloseWrite() error { return s.other.Close() }

// Close ends reads. The stream ends when the handler returns.
func (s *streamConn) Close() error { return errors.Join(s.Conn.Close(), s.other.Close()) }

// finish is called before the handler returns: the answer must not be used afterwards.
func (s *streamConn) finish() {
	s.unwatch()
	_ = s.Close() // a pipe has no error
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
}
