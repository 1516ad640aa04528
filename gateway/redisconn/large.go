package redisconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// A server does not answer to a value that is larger than it takes (proto-max-bulk-len,
// client-query-buffer-limit): it closes the connection. So a large value is sent alone, and where
// the server closes the connection at it, again and again, and answers others, the value is to
// blame. No server can be set to take less than 1 MiB.

// large is how many bytes are sent at once, but for a value that is larger by itself.
const chunkBytes = 512 << 10

// ChunkEnd returns the end of those from from on, and before to, that are sent together. size returns
// the bytes of one.
func ChunkEnd(from, to int, size func(i int) int) int {
	bytes := 0
	for i := from; i < to; i++ {
		if bytes += size(i); bytes > chunkBytes && i > from {
			return i
		}
	}
	return to
}

// closings is how often a server closes the connection at a value that it does not take.
const maxClosings = 3

// RetryLarge returns the error of a command with one value of n bytes, which has ended with err, and
// which again sends again. The error is marked by [plugin.Permanent] where the server does not
// take this value, and works otherwise.
func RetryLarge(ctx context.Context, client redis.UniversalClient, n int, err error, again func() error) error {
	if n <= chunkBytes {
		return err
	}
	for i := 1; closed(err) && client.Ping(ctx).Err() == nil; i++ {
		if i == maxClosings {
			return plugin.Permanent(fmt.Errorf("the server closes the connection at a payload of %d bytes, and works otherwise: leave fields out by a transform, or raise its proto-max-bulk-len: %v", n, err))
		}
		err = again()
	}
	err = TooLarge(err, err)
	if plugin.IsPermanent(err) {
		_ = client.Ping(ctx).Err() // the server closes this connection, too: the pool notices
	}
	return err
}

// TooLarge returns wrapped, an error that describes err. It is marked by [plugin.Permanent] where
// the server has answered that one value is too large.
func TooLarge(err, wrapped error) error {
	var answer redis.Error
	if errors.As(err, &answer) && ownerOf(answer.Error()) == ofEvent && !redis.HasErrorPrefix(answer, "FENCED") {
		return plugin.Permanent(wrapped)
	}
	return wrapped
}

// closed reports whether the peer has closed a connection that there was.
func closed(err error) bool {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return false
	}
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}, func(of error) bool { return errors.Is(err, of) })
}

// maxValue is how many bytes a server takes as one value by default (proto-max-bulk-len). It
// answers nothing to more, but closes the connection.
const maxValue = 512 << 20

// CheckSize returns an error where a value has more bytes than a server takes. No retry mends that.
func CheckSize(n int) error {
	if n > maxValue {
		return plugin.Permanent(fmt.Errorf("the payload has %d bytes: a Redis takes %d; leave fields out by a transform", n, maxValue))
	}
	return nil
}
