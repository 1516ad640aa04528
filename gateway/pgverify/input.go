package pgverify

import "context"

// input reads the events that a receiver got. Its methods are not safe for concurrent use.
type input interface {
	// read calls f with each item that has come since the last call.
	read(ctx context.Context, f func(item) error) error
	// rescan calls f with the items that read has brought. It reports false if they cannot be read twice.
	rescan(ctx context.Context, f func(item) error) (bool, error)
	// grows reports whether a further read may bring more.
	grows() bool
	// note returns a remark for the result, or "".
	note() string
	close()
}
