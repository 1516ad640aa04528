package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// compressed enables compression.
func compressed(o *Options) { o.Compression.Enabled = true }

// dialCompressed connects a client that offers permessage-deflate.
func dialCompressed(t testing.TB, server *httptest.Server, query string, subprotocols ...string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{EnableCompression: true, Subprotocols: subprotocols}
	conn, resp, err := dialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get(extensionsHeader) == "" {
		t.Fatal("the answer accepts no compression")
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	return conn
}

// rawClient is a client that sees frames.
type rawClient struct {
	t      testing.TB
	conn   net.Conn
	r      *bufio.Reader
	answer http.Header // of the handshake
}

// dialRaw connects a client that offers extensions.
func dialRaw(t testing.TB, server *httptest.Server, extensions string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(testenv.Wait))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: %s\r\n\r\n", extensions)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	return &rawClient{t, conn, r, resp.Header}
}

// frame returns the first byte and the payload of the next frame.
func (c *rawClient) frame() (first byte, payload []byte) {
	c.t.Helper()
	head := make([]byte, 10)
	read := func(b []byte) {
		c.t.Helper()
		if _, err := io.ReadFull(c.r, b); err != nil {
			c.t.Fatal(err)
		}
	}
	read(head[:2])
	n := uint64(head[1])
	switch n {
	case 126:
		read(head[2:4])
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		read(head[2:10])
		n = binary.BigEndian.Uint64(head[2:])
	}
	payload = make([]byte, n)
	read(payload)
	return head[0], payload
}

// send sends a masked frame, and closed returns the code of the close frame with which the gateway answers.
func (c *rawClient) send(first byte, payload []byte) {
	c.t.Helper()
	frame := appendMasked(0, payload)
	frame[0] = first
	header := len(frame) - len(payload)
	mask := []byte{0x11, 0x22, 0x33, 0x44}
	copy(frame[header-4:], mask)
	for i := range payload {
		frame[header+i] ^= mask[i&3]
	}
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) closed() int {
	c.t.Helper()
	for {
		if first, payload := c.frame(); first == final|opClose {
			return int(binary.BigEndian.Uint16(payload))
		}
	}
}

// deflated returns a payload as it is sent in a compressed message.
func deflated(t testing.TB, payload []byte) []byte {
	z := newDeflater(Compression{Level: 9, MinBytes: 64}, newMetrics()).take()
	return bytes.Clone(z.compress(payload))
}

// orderPayload returns the payload of a change of an order, with about n bytes.
func orderPayload(n int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	fmt.Fprintf(&b, `{"operation":"UPDATE","table":"orders","order":{"id":%d,"customer_id":"c%d","status":"%s","amount":%d.%02d`,
		r.IntN(1e7), r.IntN(1e5), []string{"pending", "paid", "shipped"}[r.IntN(3)], r.IntN(1000), r.IntN(100))
	if n > 200 {
		fmt.Fprintf(&b, `,"currency":"EUR","created_at":"2026-11-26T13:%02d:%02d.123Z","address":{"street":"Main street %d","city":"Berlin","zip":"%d"}`, r.IntN(60), r.IntN(60), r.IntN(500), 10000+r.IntN(9999))
		b.WriteString(`,"items":[`)
		for i := 0; i == 0 || b.Len() < n-60; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"sku":"SKU-%06d","name":"%s","quantity":%d,"price":%d.%02d}`, r.IntN(1e6), []string{"Blue cotton shirt", "Running shoe", "Coffee beans 1 kg", "Desk lamp"}[r.IntN(4)], 1+r.IntN(9), r.IntN(1000), r.IntN(100))
		}
		b.WriteByte(']')
	}
	b.WriteString("}}")
	return b.String()
}
