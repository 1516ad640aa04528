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

// changing is a transform that adds a field, and bareLoop does the same with one payload per line.
const (
	changing = `
import json, sys
sys.stdin.readline()
print('{"ready":1}', flush=True)
for line in sys.stdin:
    m, made = json.loads(line), []
    for i, e in enumerate(m["events"]):
        p = json.loads(e["data"])
        p["seen"] = True
        made.append({"of": i, "data": p})
    sys.stdout.write(json.dumps({"ack": m["batch"], "events": made}) + "\n"); sys.stdout.flush()
`
	bareLoop = `
import json, sys
for line in sys.stdin:
    p = json.loads(line)
    p["seen"] = True
    sys.stdout.write(json.dumps(p) + "\n"); sys.stdout.flush()
`
)

// BenchmarkProgram transforms events in batches and one by one, beside a bare loop that answers one line after the other.
func BenchmarkProgram(b *testing.B) {
	batch := make([]*event.Event, 512)
	for i := range batch {
		batch[i] = &event.Event{ID: fmt.Sprint("id-", i), Key: "key", Data: fmt.Appendf(nil, `{"operation":"INSERT","order":{"id":%d,"customer":"Ada","amount":10.50}}`, i)}
	}
	for name, batches := range map[string]int{"batches": 60, "single": 20} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				events := float64(batches * len(batch))
				bare := bareRate(b, batch, batches)
				o := Type().Defaults().(*Options)
				o.Command = []string{python, "-c", changing}
				t, err := Type().Build(o, plugintest.Env(b))
				if err != nil {
					b.Fatal(err)
				}
				apply := func(n int) {
					for range n {
						if name == "batches" {
							t.(plugin.Preparer).Prepare(b.Context(), batch)
						}
						for _, e := range batch {
							if err := t.Apply(b.Context(), e, func(*event.Event) {}); err != nil {
								b.Fatal(err)
							}
						}
					}
				}
				apply(1) // it has started
				begin := time.Now()
				apply(batches)
				rate := events / time.Since(begin).Seconds()
				_ = t.(plugin.Closer).Close(b.Context())
				b.ReportMetric(rate, "events/s")
				b.ReportMetric(bare, "bare/s")
				b.ReportMetric(rate/bare, "ratio-to-bare")
			}
		})
	}
}

const python = "/usr/bin/python3"

func bareRate(b *testing.B, batch []*event.Event, batches int) float64 {
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
	pass := func(n int) {
		for range n {
			for _, e := range batch {
				if _, err := in.Write(append(e.Data[:len(e.Data):len(e.Data)], '\n')); err != nil || !answers.Scan() {
					b.Fatal("the bare loop ends: ", err)
				}
			}
		}
	}
	pass(1) // it has started
	begin := time.Now()
	pass(batches)
	took := time.Since(begin)
	_ = in.Close()
	_ = cmd.Wait()
	return float64(batches*len(batch)) / took.Seconds()
}
