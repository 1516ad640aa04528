package websocket

import (
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

// TestConformance: the sink conforms to the contract of plugins.
func TestConformance(t *testing.T) {
	plugintest.Sink(t, plugintest.SinkHarness{
		Type:      Type(),
		Reachable: func(o any) { o.(*Options).Welcome = options.Map[string]{{Key: "type", Value: "welcome"}} },
		Receive: func(t testing.TB, env plugin.Env) func() string {
			conn := dial(t, serve(t, env), nil)
			if got := read(t, conn); got != `{"type":"welcome"}` {
				t.Errorf("welcome: %s", got)
			}
			return func() string { return read(t, conn) }
		},
	})
}
