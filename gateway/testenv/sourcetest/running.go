package sourcetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// Running is a source that runs repeatedly, as in the router, until Stop.
type Running struct {
	*Collector
	Source plugin.Source
	Stop   func()     // ends the source, and closes it
	Errs   chan error // of the runs that have ended
}

// Start runs a source, and waits until it is ready. out passes all calls to c, or is c itself. The source ends with the test.
func Start(t testing.TB, s plugin.Source, c *Collector, out plugin.Output) *Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r := &Running{Collector: c, Source: s, Errs: make(chan error, 10_000)}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := s.Run(ctx, out); err != nil {
				r.Errs <- err
				time.Sleep(10 * time.Millisecond) // as the router's backoff
			}
		}
	}()
	r.Stop = sync.OnceFunc(func() {
		cancel()
		<-done
		closing, cancel := context.WithTimeout(context.Background(), testenv.Wait)
		defer cancel()
		if err := s.(plugin.Closer).Close(closing); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.Stop)
	select {
	case <-c.Connected:
	case err := <-r.Errs:
		t.Fatal(err)
	case <-time.After(testenv.Wait):
		t.Fatal("the source is not ready")
	}
	return r
}

// LastError returns the text of the last run's error, and drops those of all runs so far.
func (r *Running) LastError() (text string) {
	for {
		select {
		case err := <-r.Errs:
			text = err.Error()
		default:
			return text
		}
	}
}
