package delivery

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallContext: it is like context.WithDeadline, whether the plugin asks for Done before, after, or never.
func TestCallContext(t *testing.T) {
	for name, end := range map[string]struct {
		by   func(c *callContext, cancel func())
		want error
	}{
		"open":     {func(*callContext, func()) {}, nil},
		"deadline": {func(*callContext, func()) { time.Sleep(time.Minute) }, context.DeadlineExceeded},
		"parent":   {func(_ *callContext, cancel func()) { cancel() }, context.Canceled},
		"return":   {func(c *callContext, _ func()) { c.end() }, context.Canceled},
	} {
		for _, asked := range []string{"before", "after", "by a child"} {
			t.Run(name+", asked "+asked, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
					defer cancel()
					c := newCallContext(parent, time.Minute)
					var ctx context.Context = c
					switch asked {
					case "before":
						c.Done()
					case "by a child":
						child, stop := context.WithCancel(c)
						defer stop()
						ctx = child
					}
					end.by(c, cancel)
					synctest.Wait()
					if err := ctx.Err(); !errors.Is(err, end.want) || (err == nil) != (end.want == nil) {
						t.Errorf("Err returns %v", err)
					}
					select {
					case <-ctx.Done():
						if end.want == nil {
							t.Error("it is done")
						}
					default:
						if end.want != nil {
							t.Error("it is not done")
						}
					}
					if at, ok := ctx.Deadline(); !ok || at != c.deadline || ctx.Value(contextKey{}) != "value" {
						t.Errorf("%v, %v", at, ok)
					}
				})
			})
		}
	}
}

type contextKey struct{}
