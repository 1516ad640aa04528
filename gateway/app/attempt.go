package app

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// readTimeout bounds how long a reload reads the files.
const readTimeout = 10 * time.Second

// attempt runs a function that may hang for ever, as reading a file of a dead network
// mount does: the one who calls goes on, and at most one call hangs. Its methods are
// called by one goroutine. The zero value waits for [readTimeout].
type attempt struct {
	limit time.Duration
	hangs <-chan struct{} // closed when the call that hung has ended; nil: none
}

// do runs f, and returns an error where f has not ended in time, or one before still hangs.
// What f writes may be read only where the error is nil.
func (a *attempt) do(ctx context.Context, f func()) error {
	if a.hangs != nil {
		select {
		case <-a.hangs:
			a.hangs = nil
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
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
		a.hangs = done
		return fmt.Errorf("the configuration could not be read within %v: check the disk or network that it is on", limit)
	case <-ctx.Done():
		a.hangs = done
		return ctx.Err()
	}
}
