package queue

import (
	"fmt"
	"testing"
)

// TestFindExaminesAllLanes proves that Find finds each delayed event, also where the lanes have more delayed events than it examines under one
// hold of the lock: many in all lanes together, or many in one lane.
func TestFindExaminesAllLanes(t *testing.T) {
	for name, tc := range map[string]struct{ lanes, events int }{"many lanes": {3000, 4}, "large lanes": {3, 10_000}} {
		t.Run(name, func(t *testing.T) {
			var keys []string
			for range tc.events {
				for lane := range tc.lanes {
					keys = append(keys, fmt.Sprint(lane))
				}
			}
			number := 0
			q := holding(t, len(keys), func(c *Config) { c.Batch = len(keys) }, keys...)
			for lane := range q.lanes.ready {
				for i := range q.lanes.ready[lane].delayed {
					q.lanes.ready[lane].delayed[i].Event.ID = fmt.Sprint(number)
					number++
				}
			}
			if number != len(keys) {
				t.Fatalf("%d events are delayed, want %d", number, len(keys))
			}
			for n := 0; n < number; n += 97 {
				if found := q.Find(fmt.Sprint(n)); len(found) != 1 {
					t.Fatalf("event %d of %d: found %d times", n, number, len(found))
				}
			}
		})
	}
}
