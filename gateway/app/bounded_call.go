package app

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// readTimeout bounds the reading of the configuration files by a reload.
const readTimeout = 10 * time.Second

// boundedCall runs a function that may block for ever, such as reading a file of a dead
// network mount. The caller goes on after the limit, and at most one call stays blocked. It
// is for one goroutine. The zero value has the limit [readTimeout].
type boundedCall struct {
	limit   time.Duration
	pending <-chan struct{} // closed when the call that exceeded the limit has returned; nil: there is none
}

// do runs f. It returns an error where f does not return within the limit, and where an
// earlier call has not returned yet. What f writes may be read only where the error is nil.
func (a *boundedCall) do(ctx context.Context, f func()) error {
	if a.pending != nil {
		select {
		case <-a.pending:
			a.pending = nil
		default:
			return errors.New("the last reload is still reading its files: check the disk or network that they are on")
		}
	}
	limit := a.limit
	if limit == 0 {
		limit = readTimeout
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		a.pending = done
		return fmt.Errorf("the configuration could not be read within %v: check the disk or network that it is on", limit)
	case <-ctx.Done():
		a.pending = done
		return ctx.Err()
	}
}
