package websocket

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// How long the other side may take at the end.
const (
	closeTimeout = time.Second // to answer a close frame
	// farewell is for a client that is sent away while it is behind: to take the
	// frames under way and the close frame, which would tell it nothing if they
	// were cut off.
	evictionTimeout = 4 * time.Second
)

// hijacker gives melody a connection of ours in place of the server's.
type hijacker struct {
	http.ResponseWriter
	c        *client
	hijacked chan struct{} // closed when the connection is ours
}

// handshakeBuffer is the size of buffers that are used for the handshake only.
const handshakeBuffer = 512

// Hijack is part of [http.Hijacker]. The server's buffers go back to it.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early := rw.Reader.Buffered()
	close(h.hijacked)
	if early > 0 { // as gorilla would say
		raw.Close()
		return nil, nil, errors.New("the client has sent data before the handshake was done")
	}
	h.c.conn = &conn{Conn: raw, c: h.c}
	return h.c.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.c.conn, handshakeBuffer), bufio.NewWriterSize(h.c.conn, handshakeBuffer)), nil
}

// conn is a client's connection as melody and gorilla see it. After the
// handshake all that they write are control frames, each whole in one Write:
// these are queued for the client's own goroutine, the only one that writes.
type conn struct {
	net.Conn
	c        *client
	stream   *sseStream // of a client that gets server-sent events, else nil
	upgraded atomic.Bool
	closing  atomic.Bool // a close frame is out: no more extensions of the read deadline
}

// Write queues control frames; during the handshake it writes.
func (n *conn) Write(p []byte) (int, error) {
	if !n.upgraded.Load() {
		return n.Conn.Write(p)
	}
	if len(p) < 2 {
		return 0, errors.New("not a frame")
	}
	frame := append([]byte(nil), p...)
	switch p[0] & 0xf {
	case opClose: // the client said goodbye, or gorilla found a fault in what it sent
		n.c.close(frame, "client", false)
	case opPing, opPong:
		n.c.queueControl(frame)
	default:
		return 0, errors.New("not a control frame")
	}
	return len(p), nil
}

// SetWriteDeadline does nothing once upgraded: gorilla would cut the log's
// frames short with the deadline of a pong.
func (n *conn) SetWriteDeadline(t time.Time) error {
	if n.upgraded.Load() {
		return nil
	}
	return n.Conn.SetWriteDeadline(t)
}

// SetReadDeadline is ignored once a close frame is out.
func (n *conn) SetReadDeadline(t time.Time) error {
	if n.closing.Load() {
		return nil
	}
	return n.Conn.SetReadDeadline(t)
}

// Close says that reading has ended. The client's goroutine sends what must
// still be sent, and closes the connection itself.
func (n *conn) Close() error {
	if !n.upgraded.Load() {
		return n.Conn.Close()
	}
	n.c.endRead()
	return nil
}

// sendClose writes a close frame and leaves the other side so long to take and
// answer it: closing at once could reset the connection, and with it the frame.
func (n *conn) sendClose(frame []byte, timeout time.Duration) {
	n.closing.Store(true)
	_ = n.Conn.SetDeadline(time.Now().Add(timeout))
	if _, err := n.Conn.Write(frame); err != nil {
		_ = n.Conn.Close() // ends the reading side too
		return
	}
	if half, ok := n.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
