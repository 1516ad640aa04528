package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// relayLoad is what passes from one Redis channel to another.
type relayLoad struct {
	events, size int
	channels     []string // to which each event is published
}

// window returns how many events may be in flight: 8 MB, so that Redis does not close the connection of a slow subscriber, and the
// gateway's buffers hold them.
func (l relayLoad) window() int { return max(min(8<<20/l.size, l.events), 4) }

var defaultRelay = relayLoad{events: 100_000, size: fanoutBytes, channels: []string{"relay_out"}}

// relayConfig publishes the messages of one channel to another.
const relayConfig = `
http: {listen: "127.0.0.1:0"}
sources: {in: {type: redis-sub, url: "${REDIS_URL}", channels: [relay_in]}}
sinks: {out: {type: redis-pub, url: "${REDIS_URL}", channel: relay_out}}
routes: {relay: {from: [in], to: [out]}}
`

// BenchmarkRelay compares the way from one Redis channel to another with a bare loop, which copies what it
// reads into commands.
func BenchmarkRelay(b *testing.B) { compareRelay(b, defaultRelay, relayConfig) }

func compareRelay(b *testing.B, l relayLoad, config string) {
	b.Helper()
	compareToBare(b,
		func() measurement { return l.run(b, bareRelay) },
		func() measurement { return l.run(b, relaying(config)) })
}

// relaying returns a function that starts the gateway.
func relaying(config string) func(*testing.B) (stop func()) {
	return func(b *testing.B) func() { return startGateway(b, writeConfig(b, config), nil).stop }
}

// dialRedis returns a bare connection, and its reader.
func dialRedis(b *testing.B) (net.Conn, *bufio.Reader) {
	opt, err := redis.ParseURL(testenv.Redis(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", opt.Addr)
	if err != nil {
		b.Fatal(err)
	}
	return conn, bufio.NewReaderSize(conn, 64<<10)
}

// subscribeRedis returns a bare connection that is subscribed to a channel, and its reader.
func subscribeRedis(b *testing.B, channel string) (net.Conn, *bufio.Reader) {
	conn, r := dialRedis(b)
	fmt.Fprintf(conn, "SUBSCRIBE %s\r\n", channel)
	if _, err := readReply(r); err != nil {
		b.Fatal(err)
	}
	return conn, r
}

func appendPublish(dst []byte, channel string, payload []byte) []byte {
	dst = fmt.Appendf(dst, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n", len(channel), channel, len(payload))
	return append(append(dst, payload...), "\r\n"...)
}

// run publishes to the relay that serve starts, and reads what it publishes.
func (l relayLoad) run(b *testing.B, serve func(*testing.B) (stop func())) measurement {
	defer serve(b)()
	pub, replies := dialRedis(b)
	go io.Copy(io.Discard, replies) // ends when pub is closed
	path := load{chunk: max(64<<10/l.size, 1)}
	conns := []net.Conn{pub}
	for _, channel := range l.channels {
		sub, r := subscribeRedis(b, channel)
		conns = append(conns, sub)
		path.receivers = append(path.receivers, &channelReader{r: r})
	}
	path.close = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	var commands, payload []byte
	path.send = func(from, to int) error {
		commands = commands[:0]
		for n := from; n < to; n++ {
			payload = appendNumbered(payload[:0], n, l.size)
			commands = appendPublish(commands, "relay_in", payload)
		}
		_, err := pub.Write(commands)
		return err
	}
	return path.measure(b, l.events, l.window())
}

// channelReader reads the messages of a channel, and checks the number of each.
type channelReader struct {
	r    *bufio.Reader
	next int
}

func (c *channelReader) receive(to int, each func(int)) error {
	for ; c.next < to; c.next++ {
		for range 5 { // *3, and the kind and the channel with their sizes
			if _, err := c.r.ReadSlice('\n'); err != nil {
				return err
			}
		}
		head, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.Atoi(string(head[1 : len(head)-2]))
		if err != nil {
			return err
		}
		begin, err := c.r.Peek(min(size, 64))
		if err != nil {
			return err
		}
		if n, err := numberIn(begin, numberAt); err != nil || n != c.next {
			return fmt.Errorf("event %d comes instead of %d, %v", n, c.next, err)
		}
		if _, err := c.r.Discard(size + 2); err != nil {
			return err
		}
		if each != nil {
			each(c.next)
		}
	}
	return nil
}

// bareRelay publishes the messages of a channel to another, all that have arrived in one write.
func bareRelay(b *testing.B) (stop func()) {
	sub, r := subscribeRedis(b, "relay_in")
	pub, replies := dialRedis(b)
	go io.Copy(io.Discard, replies) // ends when pub is closed
	go func() {
		var pending []byte
		for {
			payload, err := readReply(r)
			if err != nil {
				return
			}
			pending = appendPublish(pending, "relay_out", payload)
			if r.Buffered() > 0 && len(pending) < 64<<10 {
				continue
			}
			pub.Write(pending)
			pending = pending[:0]
		}
	}()
	return func() { sub.Close(); pub.Close() }
}
