package delivery

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

var update = flag.Bool("update", false, "write the decision table into the docs")

var (
	errTest   = errors.New("refused")
	byBackoff = Retry{Initial: options.Duration(time.Second), Max: options.Duration(time.Second), Attempts: 3}
	scheduled = Retry{Initial: options.Duration(time.Second), Max: options.Duration(time.Second), Attempts: 1, Schedule: []options.Duration{options.Duration(time.Hour)}}
	endless   = Retry{Initial: options.Duration(time.Second), Max: options.Duration(time.Second)}
)

// decisions are the rows of the table in the docs. Each is a write of two events, the second of which has failed as
// often before as attempts says.
var decisions = []struct {
	write    string // what the plugin returns, for people
	err      error
	each     []error // where single events have failed
	attempts int
	policy   string
	retry    Retry
	first    action
	second   action
	signal   signal
	disable  bool
}{
	{"an error", errTest, nil, 0, "`attempts` not used up", byBackoff, together, together, sinkFailed, false},
	{"an error", errTest, nil, 2, "`attempts` used up", byBackoff, together, park, sinkFailed, false},
	{"an error", errTest, nil, 7, "a `schedule`", scheduled, together, together, sinkFailed, false},
	{"`Unavailable`", plugin.Unavailable(errTest), nil, 7, "any", byBackoff, together, together, sinkUnavailable, false},
	{"`Permanent`", plugin.Permanent(errTest), nil, 0, "any", byBackoff, park, park, sinkWorks, false},
	{"`Disabling`", plugin.Disabling(errTest), nil, 7, "any", byBackoff, together, together, sinkFailed, true},
	{"a panic, two events or more", plugin.Permanent(&component.PanicError{Value: "x"}), nil, 0, "any", byBackoff, isolate, isolate, sinkFailed, false},
	{"`Failed`, an error", errTest, []error{nil, errTest}, 0, "`attempts` not used up", byBackoff, deliver, delay, sinkWorks, false},
	{"`Failed`, an error", errTest, []error{nil, errTest}, 2, "`attempts` used up", byBackoff, deliver, park, sinkWorks, false},
	{"`Failed`, an error", errTest, []error{nil, errTest}, 7, "`attempts: 0`", endless, deliver, delay, sinkWorks, false},
	{"`Failed`, an error", errTest, []error{nil, errTest}, 0, "a `schedule`", scheduled, deliver, delay, sinkWorks, false},
	{"`Failed`, `Permanent`", errTest, []error{nil, plugin.Permanent(errTest)}, 0, "any", byBackoff, deliver, park, sinkWorks, false},
	{"`Failed`, an error for each", errTest, []error{errTest, errTest}, 0, "`attempts` not used up", byBackoff, delay, delay, eventsFailed, false},
	{"`Failed`, `Unavailable`", errTest, []error{errTest, plugin.Unavailable(errTest)}, 0, "any", byBackoff, delay, together, sinkUnavailable, false},
	{"`Delivered(1, Unavailable)`", errTest, []error{nil, plugin.Unavailable(errTest)}, 7, "any", byBackoff, deliver, together, sinkUnavailable, false},
}

func TestClassify(t *testing.T) {
	for _, c := range decisions {
		t.Run(c.write+", "+c.policy, func(t *testing.T) {
			r := result{err: c.err, each: c.each, perEvent: c.each != nil}
			v := classify(r, []int{0, c.attempts}, &c.retry, c.retry.pause)
			if v.events[0].action != c.first || v.events[1].action != c.second || v.signal != c.signal || v.disable != c.disable {
				t.Errorf("%+v", v)
			}
			counts := c.second == delay || c.second == park || c.second == together && c.signal == sinkFailed && !c.disable && len(c.retry.Schedule) == 0
			if want := c.attempts; counts && v.events[1].attempts != want+1 || !counts && v.events[1].attempts != want {
				t.Errorf("%d attempts have failed before, and %d count now", want, v.events[1].attempts)
			}
		})
	}
}

// TestClassifyPauses: the pause that a receiver asks for is kept, up to max_after; an attempt of the schedule is worth
// remembering.
func TestClassifyPauses(t *testing.T) {
	retry := scheduled
	retry.MaxAfter = options.Duration(time.Minute)
	pause := func(int) time.Duration { return time.Second }
	for asked, want := range map[time.Duration]time.Duration{0: time.Second, 30 * time.Second: 30 * time.Second, time.Hour: time.Minute} {
		err := plugin.RetryAfter(errTest, asked)
		v := classify(result{err: err, each: []error{nil, err}, perEvent: true}, []int{0, 0}, &retry, pause)
		if d := v.events[1]; d.pause != want || !d.remember {
			t.Errorf("asked for %v: %+v", asked, d)
		}
		if v := classify(result{err: err}, []int{0}, &retry, pause); v.asked != min(asked, time.Minute) {
			t.Errorf("asked for %v of all: %v", asked, v.asked)
		}
	}
}

var (
	actionText = map[action]string{
		deliver: "delivered", together: "retried together, when the sink works", delay: "retried after its own pause",
		isolate: "written alone, after the pause of the breaker", park: "dead letter",
	}
	signalText = map[signal]string{
		sinkWorks: "works", eventsFailed: "events fail: open after `breaker.failures`", sinkFailed: "open, pause by `retry`", sinkUnavailable: "open, pause of at most a second",
	}
)

// TestDecisionTable: the table in the docs is that of the tests. `go test ./gateway/internal/delivery -update` writes it.
func TestDecisionTable(t *testing.T) {
	const file, begin, end = "../../docs/delivery.md", "<!-- decisions -->\n", "<!-- /decisions -->"
	var b strings.Builder
	b.WriteString("| Write returns | policy | the event | the circuit breaker |\n| --- | --- | --- | --- |\n")
	for _, c := range decisions {
		breaker := signalText[c.signal]
		if c.disable {
			breaker = "disabled until a reload"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.write, c.policy, actionText[c.second], breaker)
	}
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s", file, begin)
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+begin+b.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if old != b.String() {
		t.Errorf("%s has another table: run go test ./gateway/internal/delivery -update", file)
	}
}
