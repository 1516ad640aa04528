package websocket

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// How long the client may take when its connection is closed.
const (
	closeTimeout = time.Second // to answer a close frame
	// evictionTimeout is for an evicted client: to receive the frames under way, and
	// the close frame with the reason behind them.
	evictionTimeout = 4 * time.Second
)

// hijacker gives melody a [conn] in place of the server's connection.
type hijacker struct {
	http.ResponseWriter
	c        *client
	hijacked chan struct{} // closed when the server has given up the connection
}

// handshakeBuffer is the size of buffers that are used for the handshake only.
const handshakeBuffer = 512

// Hijack is part of [http.Hijacker]. It does not keep the server's buffers.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early := rw.Reader.Buffered()
	close(h.hijacked)
	if early > 0 { // gorilla refuses this too
		raw.Close()
		return nil, nil, errors.New("the client has sent data before the end of the handshake")
	}
	h.c.conn = &conn{Conn: raw, c: h.c}
	if h.c.window > 0 {
		h.c.conn.inflater = newInflater(raw, int(h.c.sink.opts.MaxMessage), func() bool { return h.c.excessMessages > 0 })
	}
	return h.c.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.c.conn, handshakeBuffer), bufio.NewWriterSize(h.c.conn, handshakeBuffer)), nil
}

// conn is a client's connection as melody and gorilla use it. After the
// handshake they write control frames only, each in one Write. These are
// queued for the client's own goroutine, the only one that writes to the socket.
type conn struct {
	net.Conn
	c        *client
	inflater *inflater  // of a client that may send compressed messages, else nil
	stream   *sseStream // of a client that gets server-sent events, else nil
	upgraded atomic.Bool
	closing  atomic.Bool // the close frame was sent: pongs extend the read deadline no more
}

// Read reads frames of the client, with inflated messages.
func (n *conn) Read(p []byte) (int, error) {
	if n.inflater != nil {
		return n.inflater.Read(p)
	}
	return n.Conn.Read(p)
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
	case opClose: // the answer to a close frame of the client, or to an invalid frame
		n.c.close(frame, "client", false)
	case opPing, opPong:
		n.c.queueControl(frame)
	default:
		return 0, errors.New("not a control frame")
	}
	return len(p), nil
}

// SetWriteDeadline does nothing after the upgrade: the deadline that gorilla sets for a pong
// would interrupt a write of the log.
func (n *conn) SetWriteDeadline(t time.Time) error {
	if n.upgraded.Load() {
		return nil
	}
	return n.Conn.SetWriteDeadline(t)
}

// SetReadDeadline does nothing after the close frame.
func (n *conn) SetReadDeadline(t time.Time) error {
	if n.closing.Load() {
		return nil
	}
	return n.Conn.SetReadDeadline(t)
}

// Close records that reading has ended. The client's goroutine sends the remaining
// frames, and closes the connection.
func (n *conn) Close() error {
	if !n.upgraded.Load() {
		return n.Conn.Close()
	}
	n.c.endRead()
	return nil
}

// sendClose writes a close frame, and gives the client a time to answer it. Closing the
// connection at once could reset it before the client has read the frame.
func (n *conn) sendClose(frame []byte, timeout time.Duration) {
	n.closing.Store(true)
	_ = n.Conn.SetDeadline(time.Now().Add(timeout))
	if _, err := n.Conn.Write(frame); err != nil {
		_ = n.Conn.Close() // ends the reading goroutine too
		return
	}
	if half, ok := n.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
