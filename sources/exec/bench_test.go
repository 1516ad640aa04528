package exec

import (
	"bufio"
	"context"
	"os/exec"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
)

// emitting is a source of batches of 100 events, and bareLoop writes the same payloads, one per line.
const (
	emitting = `
import json, sys
sys.stdin.readline()
print('{"ready":1}', flush=True)
n = 0
while True:
    events = [{"id": str(i), "key": "key", "data": {"order": {"id": i, "customer": "Ada", "amount": 10.5}}} for i in range(n, n + 100)]
    n += 100
    sys.stdout.write(json.dumps({"emit": n, "events": events, "state": n}) + "\n"); sys.stdout.flush()
`
	bareLoop = `
import json, sys
n = 0
while True:
    for i in range(n, n + 100): sys.stdout.write(json.dumps({"order": {"id": i, "customer": "Ada", "amount": 10.5}}) + "\n")
    sys.stdout.flush()
    n += 100
`
)

// counter is an Output that acks, and ends a Run after a number of events.
type counter struct {
	plugintest.Output
	left  int
	begin time.Time
	end   func()
}

func (c *counter) Emit(_ context.Context, batch event.Batch) error {
	if c.begin.IsZero() {
		c.begin = time.Now()
	}
	if c.left -= len(batch.Events); c.left <= 0 {
		c.end()
	}
	batch.Ack.Settle(nil)
	return nil
}

// BenchmarkProgram takes events from a source in Python with acks, beside a bare loop that writes lines of JSON.
func BenchmarkProgram(b *testing.B) {
	const events = 100_000
	for b.Loop() {
		cmd := exec.Command(python, "-c", bareLoop)
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan() // it has started
		begin := time.Now()
		for range events {
			lines.Scan()
		}
		bare := events / time.Since(begin).Seconds()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		o := Type().Defaults().(*Options)
		o.Command, o.Acks = []string{python, "-c", emitting}, true
		s, err := Type().Build(o, plugintest.Env(b))
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		c := &counter{left: events}
		var rate float64
		c.end = func() { rate = events / time.Since(c.begin).Seconds(); c.end = func() {}; cancel() }
		if err := s.Run(ctx, c); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(rate/bare, "ratio-to-bare")
	}
}
