package exec

import (
	"bufio"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

// counting is a sink that parses each batch, and bareLoop one that parses a payload per line and answers every 512th.
const (
	counting = `
import json, sys
sys.stdin.readline()
sys.stdout.write('{"ready":1}\n'); sys.stdout.flush()
n = 0
for line in sys.stdin:
    m = json.loads(line)
    n += len(m["events"])
    sys.stdout.write('{"ack":%d}\n' % m["batch"]); sys.stdout.flush()
`
	bareLoop = `
import json, sys
n = 0
for line in sys.stdin:
    json.loads(line)
    n += 1
    if n % 512 == 0: sys.stdout.write("ok\n"); sys.stdout.flush()
`
)

// BenchmarkProgram delivers events to a sink in Python, beside a bare loop in Python that reads lines of JSON.
func BenchmarkProgram(b *testing.B) {
	const batches, size = 200, 512
	batch := make([]*event.Event, size)
	for i := range batch {
		batch[i] = &event.Event{ID: fmt.Sprint("id-", i), Key: "key", Data: fmt.Appendf(nil, `{"operation":"INSERT","order":{"id":%d,"customer":"Ada","amount":10.50}}`, i)}
	}
	for b.Loop() {
		bare := bareRate(b, batch, batches)
		o := Type().Defaults().(*Options)
		o.Command = []string{python, "-c", counting}
		s, err := Type().Build(o, plugintest.Env(b))
		if err != nil {
			b.Fatal(err)
		}
		if err := s.(plugin.Opener).Open(b.Context()); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		for range batches {
			if err := s.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		rate := batches * size / time.Since(begin).Seconds()
		_ = s.(plugin.Closer).Close(b.Context())
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(rate/bare, "ratio-to-bare")
	}
}

func bareRate(b *testing.B, batch []*event.Event, batches int) float64 {
	var lines []byte
	for _, e := range batch {
		lines = append(append(lines, e.Data...), '\n')
	}
	cmd := exec.Command(python, "-c", bareLoop)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	pass := func() {
		if _, err := in.Write(lines); err != nil || !answers.Scan() {
			b.Fatal("the bare loop ends: ", err)
		}
	}
	pass() // it has started
	begin := time.Now()
	for range batches {
		pass()
	}
	took := time.Since(begin)
	_ = in.Close()
	_ = cmd.Wait()
	return float64(batches*len(batch)) / took.Seconds()
}
