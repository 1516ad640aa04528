package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/options"
)

// ping returns a ping message with n bytes, and the begin of its answer.
func pingMessage(n int) (ping, pong string) {
	text := strings.Repeat("p", n-len(`{"type":"ping","timestamp":""}`))
	return fmt.Sprintf(`{"type":"ping","timestamp":"%s"}`, text), fmt.Sprintf(`{"type":"pong","timestamp":"%s","time":`, text)
}

// TestCompressedClientMessages: compressed messages of a client are read, whole or in fragments, between others.
func TestCompressedClientMessages(t *testing.T) {
	s, server := newSink(t, func(o *Options) { compressed(o); o.Limits.Messages = 0 }, httptest.NewServer)
	c := dialRaw(t, server, "permessage-deflate")
	awaitClients(t, s, 1)
	answered := func(pong string) {
		t.Helper()
		first, payload := c.frame()
		if first != final|opText || !strings.HasPrefix(string(payload), pong) {
			t.Fatalf("the answer is %#x %.100q, want %.100q", first, payload, pong)
		}
	}
	for _, n := range []int{40, 125, 126, 1000, 4096} { // max_message is 4 KiB
		ping, pong := pingMessage(n)
		small := deflated(t, []byte(ping))
		c.send(final|rsv1|opText, bytes.Clone(small))
		answered(pong)
		c.send(final|opText, []byte(ping))
		answered(pong)
		c.send(rsv1|opText, bytes.Clone(small[:5])) // in fragments, with a ping between
		c.send(0, bytes.Clone(small[5:9]))
		c.send(final|opPing, []byte("between"))
		if first, payload := c.frame(); first != final|opPong || string(payload) != "between" {
			t.Fatalf("the answer is %#x %q", first, payload)
		}
		c.send(0, nil)
		c.send(final, bytes.Clone(small[9:]))
		answered(pong)
		c.send(opText, []byte(ping[:7])) // fragments that are not compressed
		c.send(final, []byte(ping[7:]))
		answered(pong)
		c.send(final|rsv1|opBinary, []byte("ignored"))
		c.send(final|rsv1|opText, []byte{0}) // an empty message
	}
	conn := dialCompressed(t, server, "")
	ping, pong := pingMessage(3000)
	for range 10 {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(ping)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, conn); !strings.HasPrefix(got, pong) {
			t.Fatalf("got %.100q", got)
		}
	}
}

// TestInvalidCompressedMessages: a message that is too large or invalid closes its client, with the right code.
func TestInvalidCompressedMessages(t *testing.T) {
	s, server := newSink(t, compressed, httptest.NewServer)
	bomb := deflated(t, make([]byte, 4<<20))
	random := make([]byte, 4<<10+700)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for _, c := range []struct {
		name string
		code int
		send func(c *rawClient)
	}{
		{"a byte too large", 1009, func(c *rawClient) { c.send(final|rsv1|opText, deflated(t, make([]byte, 4097))) }},
		{"a bomb", 1009, func(c *rawClient) { c.send(final|rsv1|opText, bytes.Clone(bomb)) }},
		{"a bomb in fragments", 1009, func(c *rawClient) {
			c.send(rsv1|opText, bytes.Clone(bomb[:2000]))
			c.send(final, bytes.Clone(bomb[2000:]))
		}},
		{"too large compressed", 1009, func(c *rawClient) { c.send(rsv1|opText, bytes.Clone(random)) }},
		{"not deflate", 1002, func(c *rawClient) { c.send(final|rsv1|opText, []byte("\xff\xff\xff")) }},
		{"truncated", 1002, func(c *rawClient) { c.send(final|rsv1|opText, deflated(t, make([]byte, 4000))[:5]) }},
		{"a message in another", 1002, func(c *rawClient) { c.send(rsv1|opText, nil); c.send(final|rsv1|opText, nil) }},
		{"a plain message in another", 1002, func(c *rawClient) { c.send(rsv1|opText, nil); c.send(final|opText, nil) }},
		{"a compressed message in a plain one", 1002, func(c *rawClient) { c.send(opText, nil); c.send(final|rsv1|opText, []byte{0}) }},
		{"a compressed ping", 1002, func(c *rawClient) { c.send(final|rsv1|opPing, nil) }},
		{"a compressed continuation", 1002, func(c *rawClient) { c.send(rsv1|opText, nil); c.send(final|rsv1, nil) }},
		{"another reserved bit", 1002, func(c *rawClient) { c.send(final|rsv1|0x20|opText, nil) }},
		{"not masked", 1002, func(c *rawClient) { c.conn.Write([]byte{final | rsv1 | opText, 1, 0}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := dialRaw(t, server, "permessage-deflate")
			awaitClients(t, s, 1)
			c.send(raw)
			if got := raw.closed(); got != c.code {
				t.Errorf("close code %d, want %d", got, c.code)
			}
			raw.conn.Close()
			awaitClients(t, s, 0)
		})
	}
}

// TestInflateIsBounded: a bomb is inflated up to max_message, and takes the memory of that.
func TestInflateIsBounded(t *testing.T) {
	bomb := deflated(t, make([]byte, 16<<20))
	const rounds = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		if _, err := inflate(bytes.Clone(bomb), 4<<10); err != errInflated {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := int(after.TotalAlloc-before.TotalAlloc) / rounds; each > len(bomb)*3+256<<10 {
		t.Errorf("a bomb of %d bytes allocates %d bytes", len(bomb), each)
	}
}

// TestLargeInflatedMessagesCountMore: few bytes cannot inflate to many without end: large messages count as several.
func TestLargeInflatedMessagesCountMore(t *testing.T) {
	s, server := newSink(t, func(o *Options) { compressed(o); o.MaxMessage, o.Limits.Messages = options.Size(1<<20), 20 }, httptest.NewServer)
	c := dialRaw(t, server, "permessage-deflate")
	awaitClients(t, s, 1)
	large := deflated(t, bytes.Repeat([]byte("{} "), 1<<20/3))
	for range 8 { // each counts as 16 of the 40 at once
		c.send(final|rsv1|opText, bytes.Clone(large))
	}
	if got := c.closed(); got != closePolicy {
		t.Errorf("close code %d, want %d", got, closePolicy)
	}
}

// FuzzInflater: for any bytes of a client, an inflater does not panic. It hands on at most a message as large as the bound, and
// the bytes that it has read.
func FuzzInflater(f *testing.F) {
	f.Add([]byte("\xc1\x81\x00\x00\x00\x00\x00"), false)
	f.Add([]byte("\xc1\xfe\x00\x10\x00\x00\x00\x00"), true)
	f.Add([]byte("\x41\x80\x00\x00\x00\x00\x80\x81\x01\x01\x01\x01\x01\x89\x80\x00\x00\x00\x00"), true)
	f.Add([]byte("\xc1\x01\x00"), false) // not masked
	f.Fuzz(func(t *testing.T, data []byte, slow bool) {
		const bound = 200
		var reader io.Reader = bytes.NewReader(data)
		if slow {
			reader = iotest.OneByteReader(reader)
		}
		out, err := io.ReadAll(newInflater(reader, bound, func() bool { return false }))
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if len(out) > len(data)*(bound+14) {
			t.Errorf("%d bytes became %d", len(data), len(out))
		}
	})
}
