package queue

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestDropsAreTold: of each queue that drops, its sink gets a gap between the events around
// those that are missing, and all gaps together say how many these are.
func TestDropsAreTold(t *testing.T) {
	for _, policy := range []string{WhenFullBlock, WhenFullDropOldest, WhenFullDropNewest, WhenFullLatestPerKey} {
		t.Run(policy, func(t *testing.T) {
			const n = 200
			q := New(Config{Options: Options{Size: 10, Bytes: 1 << 20, WhenFull: policy}})
			told, count := 0, regexp.MustCompile(`^the queue was full: (\d+) events? (?:was|were) dropped \((.+)\)$`)
			var got []string
			take := func() {
				items, gap, _ := q.Take(t.Context(), nil, 4)
				for _, it := range items {
					got = append(got, string(it.Event.Data))
				}
				if gap == nil {
					return
				}
				got = append(got, "gap")
				m := count.FindStringSubmatch(gap.Reason)
				if m == nil || gap.Source != "" || gap.ID == "" || gap.Time.IsZero() || m[1] != fmt.Sprint(gap.Dropped) {
					t.Fatalf("gap %+v", gap)
				}
				told += int(gap.Dropped)
			}
			for i := range n {
				if err := q.Put(t.Context(), []*event.Event{{Key: fmt.Sprint(i % 7), Data: fmt.Append(nil, i)}}, nil); err != nil {
					t.Fatal(err)
				}
				if i%20 == 19 {
					take()
				}
			}
			if len(q.gaps) > 10 || len(q.gaps) > 2 && policy != WhenFullDropNewest {
				t.Errorf("%d gaps wait", len(q.gaps))
			}
			for q.inRing > 0 || len(q.gaps) > 0 {
				take()
			}
			events := slices.DeleteFunc(slices.Clone(got), func(text string) bool { return text == "gap" })
			if missing := n - len(events); told != missing || missing == 0 {
				t.Errorf("told of %d events, missing are %d", told, missing)
			}
			// What is missing in between is told of before what comes next; or, of
			// latest_per_key, behind.
			before := -1
			for i, text := range got {
				number, err := strconv.Atoi(text)
				if err != nil {
					continue
				}
				if number > before+1 && policy != WhenFullLatestPerKey && (i == 0 || got[i-1] != "gap") {
					t.Errorf("nothing says that events before %d are missing: %q", number, got)
				}
				before = number
			}
			if last := got[len(got)-1]; policy == WhenFullDropNewest && last != "gap" {
				t.Errorf("the last ones were dropped, but it ends with %s", last)
			}
		})
	}
}

// TestOneGapPerPlaceAndSource waits, whatever names the gaps bring that a source passes on.
func TestOneGapPerPlaceAndSource(t *testing.T) {
	q := New(testConfig())
	for i := range 100 {
		q.PutGap(plugin.Gap{Source: fmt.Sprint("elsewhere ", i), ForwardedBy: "in", Reason: "lost"})
	}
	if len(q.gaps) != 1 {
		t.Errorf("%d gaps wait", len(q.gaps))
	}
}
