package redisstream

import (
	"errors"
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// connected is an Output to which nothing is emitted.
type connected struct{ plugintest.Output }

func (connected) Ready()     {}
func (connected) Gap(string) {}

// TestAPanicEndsTheRun: one in the goroutine that stores what was acked is what Run returns.
func TestAPanicEndsTheRun(t *testing.T) {
	fresh(t)
	s := made(t, func(o *Options) { o.Stream, o.Name = "panics", "one" })
	s.opts.ClaimAfter = 0 // its ticker panics
	err := s.Run(testenv.Context(t), connected{})
	var p *plugin.PanicError
	if !errors.As(err, &p) || len(p.Stack) == 0 {
		t.Errorf("Run: %v", err)
	}
}
