package component

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/plugin"
)

// TestCloseAfterItsDeadline: a stop that has used up its time still closes, and says nothing of a plugin
// that returns at once.
func TestCloseAfterItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		c := New(slog.New(slog.DiscardHandler), plugin.KindSink, "out", nil, nil, nil)
		c.closer = closer(func(context.Context) error { closed = true; time.Sleep(time.Millisecond); return nil })
		if err := c.Close(time.Now().Add(-time.Minute)); err != nil || !closed {
			t.Errorf("closed %v: %v", closed, err)
		}
	})
}

type closer func(context.Context) error

func (f closer) Close(ctx context.Context) error { return f(ctx) }
