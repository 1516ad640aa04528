package redisconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// A server closes the connection at a value above its limit (proto-max-bulk-len,
// client-query-buffer-limit), without a reply. So a large value is sent alone. Where the server
// closes the connection at it several times, and replies to others, the failure is the value's. The
// lowest limit that a server can have is 1 MiB.

// chunkBytes bounds what is sent at once; a larger value is sent alone.
const chunkBytes = 512 << 10

// ChunkEnd returns the end of the chunk that begins with event number from, and ends at to at the
// latest: its payloads are sent together.
func ChunkEnd(events []*event.Event, from, to int) int {
	bytes := 0
	for i := from; i < to; i++ {
		if bytes += len(events[i].Data); bytes > chunkBytes && i > from {
			return i
		}
	}
	return to
}

// TermEnd returns the end of the events from number from on that have the same term. A batch has one term, unless the term has
// just changed.
func TermEnd(events []*event.Event, from int) int {
	to := from + 1
	for to < len(events) && events[to].Fence == events[from].Fence {
		to++
	}
	return to
}

// maxClosings is the number of closed connections after which the value is refused for good.
const maxClosings = 3

// RetryLarge retries a command with one value of n bytes that has failed with err, where the server
// may have refused the value. It returns the latest error. The error is marked by
// [plugin.Permanent] where the server refuses this value, and works otherwise.
func RetryLarge(ctx context.Context, client redis.UniversalClient, n int, err error, retry func() error) error {
	if n <= chunkBytes {
		return err
	}
	for i := 1; closed(err) && client.Ping(ctx).Err() == nil; i++ {
		if i == maxClosings {
			return plugin.Permanent(fmt.Errorf("the server closes the connection at a payload of %d bytes, and works otherwise: leave fields out by a transform, or raise its proto-max-bulk-len: %v", n, err))
		}
		err = retry()
	}
	err = TooLarge(err, err)
	if plugin.IsPermanent(err) {
		_ = client.Ping(ctx).Err() // the server closes this connection, too: the pool notices
	}
	return err
}

// TooLarge returns wrapped, an error that describes err. It is marked by [plugin.Permanent] where
// the server has replied that one value is too large.
func TooLarge(err, wrapped error) error {
	if text, ok := replyText(err); ok && ownerOf(text) == ofEvent && !strings.HasPrefix(text, "FENCED") {
		return plugin.Permanent(wrapped)
	}
	return wrapped
}

// closed reports whether the server has closed an established connection.
func closed(err error) bool {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return false
	}
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}, func(of error) bool { return errors.Is(err, of) })
}

// maxValue is the default limit of a server for one value, in bytes (proto-max-bulk-len).
const maxValue = 512 << 20

// CheckSize returns an error, marked by [plugin.Permanent], for a value of more than 512 MiB: a
// server accepts no more by default.
func CheckSize(n int) error {
	if n > maxValue {
		return plugin.Permanent(fmt.Errorf("the payload has %d bytes: a Redis takes %d; leave fields out by a transform", n, maxValue))
	}
	return nil
}
