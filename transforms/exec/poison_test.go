package exec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// poisoned is a program that ends on the payload "poison", hangs on "hang", and passes others on.
const poisoned = `
import json, sys, time
sys.stdin.readline()
print('{"ready":1}', flush=True)
for line in sys.stdin:
    m = json.loads(line)
    payloads = [e["data"] for e in m["events"]]
    if "poison" in payloads: sys.exit(7)
    if "hang" in payloads: time.sleep(1000)
    print(json.dumps({"ack": m["batch"], "events": [{"of": i} for i in range(len(payloads))]}), flush=True)
`

// TestPoison proves that an event on which the program ends or hangs fails alone, also among others, and after max_deliveries.
func TestPoison(t *testing.T) {
	t.Parallel()
	tr := newTransform(t, func(o *Options) { o.MaxDeliveries, o.Timeout = 2, options.Duration(2*time.Second) }, "/usr/bin/python3", "-c", poisoned)
	got := apply(testenv.Context(t), tr, "a", "poison", "b", "c")
	if len(got) != 4 || got[0] != "a" || !strings.Contains(got[1], "error: the program has failed on the event 2 times") || !strings.Contains(got[1], "exit status 7") || got[2] != "b" || got[3] != "c" {
		t.Errorf("got %q", got)
	}
	if got = apply(testenv.Context(t), tr, "hang", "d"); len(got) != 2 || !strings.Contains(got[0], "not answered a batch in time") || got[1] != "d" {
		t.Errorf("got %q", got)
	}
}

// TestConsecutivePoison proves that the events behind several on which the program ends are transformed: the pauses between starts do
// not make the transform unavailable.
func TestConsecutivePoison(t *testing.T) {
	t.Parallel()
	tr := newTransform(t, nil, "/usr/bin/python3", "-c", poisoned)
	payloads := []string{"ok0", "poison", "poison"}
	for i := range 20 {
		payloads = append(payloads, fmt.Sprint("ok", i+1))
	}
	got := apply(testenv.Context(t), tr, payloads...)
	if len(got) != len(payloads) {
		t.Fatalf("got %q", got)
	}
	for i, p := range payloads {
		if p == "poison" && !strings.Contains(got[i], "failed on the event 3 times") || p != "poison" && got[i] != p {
			t.Errorf("the event %d, %q, becomes %q", i, p, got[i])
		}
	}
}

// TestSearchIsBounded proves that a program that hangs on each event does not hold the route for the timeout of each of them: the others
// are unavailable. Each call makes progress by one event.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	tr := newTransform(t, func(o *Options) { o.MaxDeliveries, o.Timeout = 1, options.Duration(100*time.Millisecond) }, "/usr/bin/python3", "-c", poisoned)
	tr.maxSearch = time.Nanosecond
	payloads := slices.Repeat([]string{"hang"}, 512)
	for range 2 {
		got := apply(testenv.Context(t), tr, payloads...)
		if len(got) != 2 || !strings.Contains(got[0], "failed on the event 1 times") || !strings.HasPrefix(got[1], "unavailable: the program has ended or hung for") {
			t.Fatalf("got %.300q", got)
		}
		payloads = payloads[1:]
	}
}
