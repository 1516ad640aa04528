package websocket

import (
	"slices"
	"testing"
	"time"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
)

// TestFromSourceOptions: options that contradict history.from_source are refused.
func TestFromSourceOptions(t *testing.T) {
	for want, set := range map[string]func(*Options){
		"history.from_source": func(o *Options) { o.History.Age = options.Duration(time.Minute) },
		"history.events":      func(o *Options) { o.History.Events = 0 },
		"position":            func(o *Options) { o.Position = expr.MustCompile("x") },
	} {
		o := Type().Defaults().(*Options)
		o.History.FromSource = options.Duration(10 * time.Minute)
		set(o)
		var got []string
		o.Check(func(option, _ string) { got = append(got, option) })
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v", want, got)
		}
	}
}
