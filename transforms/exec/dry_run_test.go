package exec

import (
	"fmt"
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestDryRun proves that a program is told when `gateway test` runs it, and only then.
func TestDryRun(t *testing.T) {
	t.Parallel()
	for _, dry := range []bool{true, false} {
		o, env := Type().Defaults().(*Options), plugintest.Env(t)
		o.Command = []string{"/bin/sh", "-c", `read h; echo '{"ready":1}'; read b; case $h in *'"dry_run":true'*) dry=true;; *) dry=false;; esac; echo '{"ack":1,"events":[{"of":0,"data":'$dry'}]}'; read end; exit 0`}
		env.DryRun = dry
		tr, err := Type().Build(o, env)
		if err != nil {
			t.Fatal(err)
		}
		out, err := plugintest.Apply(testenv.Context(t), tr, plugintest.NewEvent("a"))
		if err != nil || len(out) != 1 || string(out[0].Data) != fmt.Sprint(dry) {
			t.Errorf("dry run %v: %v, %v", dry, out, err)
		}
		if err := tr.(plugin.Closer).Close(testenv.Context(t)); err != nil {
			t.Error(err)
		}
	}
}
