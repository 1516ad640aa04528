package postgreswal

import (
	"testing"
	"time"

	"eventgateway/gateway/options"
)

// TestLagWatch proves when a lag is beyond max_lag, and when it has recovered.
func TestLagWatch(t *testing.T) {
	const minute = time.Minute
	type step struct {
		bytes               uint64
		age                 time.Duration
		unknown             bool
		exceeded, recovered bool
	}
	for name, c := range map[string]struct {
		max   MaxLag
		steps []step
	}{
		"no bound":                    {MaxLag{}, []step{{bytes: 1 << 50, recovered: true}, {bytes: 1 << 51, age: 1e6 * minute, recovered: true}}},
		"grows":                       {MaxLag{Bytes: 100}, []step{{bytes: 50, recovered: true}, {bytes: 51}, {bytes: 100}, {bytes: 101, exceeded: true}}},
		"is large at the begin":       {MaxLag{Bytes: 100}, []step{{bytes: 500}, {bytes: 400}, {bytes: 400, exceeded: true}}},
		"falls":                       {MaxLag{Bytes: 100}, []step{{bytes: 500}, {bytes: 300}, {bytes: 110}, {bytes: 50, recovered: true}}},
		"age":                         {MaxLag{Age: options.Duration(minute)}, []step{{age: 30 * time.Second, recovered: true}, {age: minute}, {age: minute + 1, exceeded: true}}},
		"age falls":                   {MaxLag{Age: options.Duration(minute)}, []step{{age: 9 * minute}, {age: 5 * minute}, {age: 2 * minute}}},
		"age that was unknown":        {MaxLag{Age: options.Duration(minute)}, []step{{unknown: true}, {age: 2 * minute, exceeded: true}}},
		"unknown age":                 {MaxLag{Age: options.Duration(minute)}, []step{{age: 0, recovered: true}, {unknown: true}, {unknown: true}}},
		"one of two is beyond":        {MaxLag{Bytes: 100, Age: options.Duration(minute)}, []step{{bytes: 10, recovered: true}, {bytes: 20, age: 2 * minute, exceeded: true}}},
		"one falls, and one does not": {MaxLag{Bytes: 100, Age: options.Duration(minute)}, []step{{bytes: 300, age: 2 * minute}, {bytes: 200, age: 3 * minute, exceeded: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := lagWatch{max: c.max}
			for i, s := range c.steps {
				l := lag{bytes: s.bytes, age: s.age, known: !s.unknown}
				if exceeded, recovered := w.exceeded(l), w.recovered(l); exceeded != s.exceeded || recovered != s.recovered {
					t.Errorf("step %d: exceeded %v, recovered %v", i, exceeded, recovered)
				}
			}
		})
	}
}

// TestLagOptions proves which bounds are refused.
func TestLagOptions(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Options)
		want string
	}{
		"defaults":       {func(*Options) {}, ""},
		"bounds":         {func(o *Options) { o.MaxLag = MaxLag{Bytes: 64 << 20, Age: options.Duration(time.Minute)} }, ""},
		"bytes":          {func(o *Options) { o.MaxLag.Bytes = 63 << 20 }, "max_lag.bytes: must be at least 64MiB: a reader has several MiB in memory"},
		"age":            {func(o *Options) { o.MaxLag.Age = options.Duration(time.Second) }, "max_lag.age: must be at least 1m: a reader needs time to connect again"},
		"no path":        {func(o *Options) { o.MaxLag.Then = "spool" }, "spool.path: must be set for max_lag.then: spool"},
		"a path":         {func(o *Options) { o.MaxLag.Then, o.Spool.Path = "spool", "x" }, ""},
		"bound of spool": {func(o *Options) { o.Spool.MaxBytes = 1 << 20 }, "spool.max_bytes: must be at least 64MiB"},
	} {
		o, got := Type().Defaults().(*Options), ""
		c.set(o)
		o.Check(func(option, text string) { got += option + ": " + text })
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
