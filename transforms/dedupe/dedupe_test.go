package dedupe

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Stateful: true, Cases: []plugintest.TransformCase{
		{Name: "nothing to tell it apart by", Options: `by: missing`, In: `{}`, Out: []string{`{}`}},
		{Name: "fails", Options: `by: a.b`, In: `{}`, Error: "by: cannot evaluate `a.b`"},
		{Name: "no json", Options: `by: a`, In: `x`, Error: "by: the payload is not JSON"},
		{Name: "redis away", Options: `redis: redis://127.0.0.1:1`, In: `x`, Error: "redis redis://127.0.0.1:1: "},
	}, InvalidOptions: map[string]string{
		`window: 0s`:                       "options:1:9: window: must be at least 1ms",
		`size: 0`:                          "options:1:7: size: must be at least 1",
		`redis: http://x`:                  "options:1:8: redis: must begin with redis://",
		`redis: redis://h/nodb`:            "options:1:8: redis: is not a Redis URL",
		`{redis: "unix:///x", prefix: ""}`: "prefix: is required",
	}})
}

// goesOn says whether the event with an id goes on.
func goesOn(t testing.TB, tr plugin.Transform, id any) bool {
	t.Helper()
	out, err := plugintest.Apply(context.Background(), tr, plugintest.NewEvent(fmt.Sprintf(`{"id":%v}`, id)))
	if err != nil {
		t.Fatal(err)
	}
	return len(out) == 1
}

// TestDigits proves that numbers are different events which are equal as integers or floats.
func TestDigits(t *testing.T) {
	tr := plugintest.NewTransform(t, Type(), `by: id`, plugintest.Env(t))
	for id, want := range map[string]bool{"12345678901234567890": true, "12345678901234567891": true, "1.5": true} {
		if goesOn(t, tr, id) != want || goesOn(t, tr, id) {
			t.Errorf("%s", id)
		}
	}
}

// TestDryRun proves that a test of a configuration writes nothing to Redis.
func TestDryRun(t *testing.T) {
	env := plugintest.Env(t)
	env.DryRun = true
	tr := plugintest.NewTransform(t, Type(), `{by: id, redis: "redis://127.0.0.1:1"}`, env)
	if !goesOn(t, tr, 1) || goesOn(t, tr, 1) {
		t.Error("it does not remember")
	}
}

func TestByIDByDefault(t *testing.T) {
	tr := plugintest.NewTransform(t, Type(), `{}`, plugintest.Env(t))
	for i, want := range []bool{true, false, false} {
		if goesOn(t, tr, i) != want { // the payload differs, the ID does not
			t.Errorf("event %d: %t", i, !want)
		}
	}
}

// TestMemoryMatchesAModel compares the ring with a map of events and times.
func TestMemoryMatchesAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		env, now := plugintest.Env(t), plugintest.Now()
		env.Now = func() time.Time { return now }
		size := rapid.IntRange(1, 200).Draw(rt, "size")
		tr, err := build(sized(rt, size), env)
		if err != nil {
			rt.Fatal(err)
		}
		type entry struct {
			id int
			at time.Time
		}
		var model []entry // the oldest first
		for range rapid.IntRange(1, 400).Draw(rt, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(rt, "pause")) * time.Second)
			id := rapid.IntRange(0, 2*size).Draw(rt, "id")
			for len(model) > 0 && now.Sub(model[0].at) >= time.Minute {
				model = model[1:]
			}
			known := false
			for _, e := range model {
				known = known || e.id == id
			}
			if !known {
				model = append(model, entry{id, now})
				model = model[max(0, len(model)-size):]
			}
			if goesOn(t, tr, id) == known {
				rt.Fatalf("%d goes on: %t, and it is known: %t", id, !known, known)
			}
		}
		if m := tr.(*transform).memory; len(m.known) != m.count || m.count != len(model) || len(m.queue) > size {
			rt.Fatalf("%d known, %d in a ring of %d, want %d", len(m.known), m.count, len(m.queue), len(model))
		}
	})
}

func sized(t *rapid.T, size int) Options {
	o := Type().Defaults().(*Options)
	o.Size, o.Window = size, 60e9
	if err := o.By.UnmarshalText([]byte("id")); err != nil {
		t.Fatal(err)
	}
	return *o
}

// TestSharedInRedis proves that two gateways, and a later one, know the same events, until the window
// is over.
func TestSharedInRedis(t *testing.T) {
	text := fmt.Sprintf("{by: id, redis: %q, window: 1h, prefix: 'test:'}", testenv.Redis(t).URL())
	a, b := plugintest.NewTransform(t, Type(), text, plugintest.Env(t)), plugintest.NewTransform(t, Type(), text, plugintest.Env(t))
	if !goesOn(t, a, 1) || goesOn(t, b, 1) || goesOn(t, a, 1) || !goesOn(t, b, 2) || goesOn(t, a, 2) {
		t.Error("they do not know the same events")
	}
	client := testenv.RedisClient(t)
	keys := client.Keys(t.Context(), "test:*").Val()
	if len(keys) != 2 {
		t.Fatalf("keys %q", keys)
	}
	for _, key := range keys {
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 59*time.Minute || ttl > time.Hour {
			t.Errorf("%s is remembered for %v", key, ttl)
		}
	}
	client.Del(t.Context(), keys...) // as the server does after the window
	if c := plugintest.NewTransform(t, Type(), text, plugintest.Env(t)); !goesOn(t, c, 1) || goesOn(t, a, 1) {
		t.Error("after the window it is not new, or new twice")
	}
}
