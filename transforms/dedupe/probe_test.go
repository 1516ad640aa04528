package dedupe

import (
	"fmt"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestProbe proves that the probe finds whether the server accepts writes: a replica does not.
func TestProbe(t *testing.T) {
	_, port := testenv.StartRedis(t)
	_, replica := testenv.StartRedis(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", port))
	for url, want := range map[string]plugin.Level{
		"": plugin.OK, fmt.Sprintf("redis://127.0.0.1:%d", port): plugin.OK,
		fmt.Sprintf("redis://127.0.0.1:%d", replica): plugin.Problem, "redis://127.0.0.1:1": plugin.Problem,
	} {
		o := Type().Defaults().(*Options)
		if url != "" {
			o.Redis = options.NewURL(url)
		}
		tr, err := Type().Build(o, plugintest.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		worst := plugin.OK
		findings := tr.(plugin.Prober).Probe(testenv.Context(t))
		for _, f := range findings {
			worst = max(worst, f.Level)
		}
		if worst != want || (url != "") != (len(findings) > 0) {
			t.Errorf("%q: %v", url, findings)
		}
	}
}
