package throttle

import (
	"fmt"
	"testing"
	"time"

	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Stateful: true, Cases: []plugintest.TransformCase{
		{Name: "below", Options: `events: 2`, In: `x`, Out: []string{`x`}},
		{Name: "fails", Options: `{events: 1, by: a.b}`, In: `{}`, Error: "by: cannot evaluate `a.b`"},
	}, InvalidOptions: map[string]string{
		`{}`:                    "events: must be at least 1",
		`{events: 1, per: 0s}`:  "options:1:18: per: must be at least 1ms",
		`{events: 1, per: 10}`:  "options:1:18: per: ",
		`{events: 1, keys: 0}`:  "options:1:19: keys: must be at least 1",
		`{events: 1, by: "1+"}`: "options:1:17: by: wrong expression",
	}})
}

// TestBucket proves the burst, the rate, and the separate limit of each value while it is in memory.
func TestBucket(t *testing.T) {
	env, now := plugintest.Env(t), plugintest.Now()
	env.Now = func() time.Time { return now }
	tr := plugintest.NewTransform(t, Type(), `{events: 3, per: 1m, by: id, keys: 2}`, env)
	passed := func(id, n int) (count int) {
		for range n {
			out, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent(fmt.Sprintf(`{"id":%d}`, id)))
			if err != nil {
				t.Fatal(err)
			}
			count += len(out)
		}
		return count
	}
	for i, step := range []struct {
		after       time.Duration
		id, n, want int
	}{
		{0, 1, 5, 3}, {0, 2, 1, 1}, {19 * time.Second, 1, 5, 0}, {2 * time.Second, 1, 5, 1}, {time.Hour, 1, 5, 3},
		{0, 2, 5, 3}, {0, 3, 5, 3}, {0, 1, 5, 3}, // forgotten: it begins anew
	} {
		now = now.Add(step.after)
		if got := passed(step.id, step.n); got != step.want {
			t.Errorf("step %d: %d went on, want %d", i, got, step.want)
		}
	}
}
