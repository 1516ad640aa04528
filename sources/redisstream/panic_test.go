package redisstream

import (
	"errors"
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// discard is an Output that ignores everything.
type discard struct{ plugintest.Output }

func (discard) Ready()     {}
func (discard) Gap(string) {}

// TestAPanicEndsTheRun proves that Run returns a panic of the goroutine that stores acks.
func TestAPanicEndsTheRun(t *testing.T) {
	flushRedis(t)
	s := newSource(t, func(o *Options) { o.Stream, o.Name = "panics", "one" })
	s.opts.ClaimAfter = 0 // its ticker panics
	err := s.Run(testenv.Context(t), discard{})
	var p *plugin.PanicError
	if !errors.As(err, &p) || len(p.Stack) == 0 {
		t.Errorf("Run: %v", err)
	}
}
