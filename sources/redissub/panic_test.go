package redissub

import (
	"context"
	"errors"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

// connected is an Output that calls then when the source is ready.
type connected struct {
	plugintest.Output
	then func()
}

func (c connected) Ready()   { c.then() }
func (connected) Gap(string) {}

// TestAPanicEndsTheRun proves that Run returns a panic of its goroutines.
func TestAPanicEndsTheRun(t *testing.T) {
	run := func(t *testing.T, set func(*Options), harm func(*source)) {
		o := Type().Defaults().(*Options)
		o.URL, o.Channels = options.NewURL(testenv.Redis(t).URL()), []string{"panics"}
		set(o)
		impl, err := Type().Build(o, plugintest.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		s := impl.(*source)
		harm(s)
		text := redisconn.EncodeGap(plugin.Gap{ID: "a", Reason: "planted"}, "")
		client := testenv.RedisClient(t)
		err = s.Run(testenv.Context(t), connected{then: func() {
			if err := client.Publish(context.Background(), redisconn.SharedGapChannel, text).Err(); err != nil {
				t.Error(err)
			}
		}})
		var p *plugin.PanicError
		if !errors.As(err, &p) || len(p.Stack) == 0 {
			t.Errorf("Run: %v", err)
		}
	}
	t.Run("receive", func(t *testing.T) {
		run(t, func(*Options) {}, func(s *source) { s.gapForwarder.known = nil })
	})
	t.Run("watch", func(t *testing.T) {
		run(t, func(o *Options) { o.Ping = 0 }, func(*source) {})
	})
}
