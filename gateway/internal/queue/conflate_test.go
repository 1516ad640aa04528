package queue

import (
	"fmt"
	"testing"

	"eventgateway/gateway/event"
)

// TestLatestPerKeyKeepsTheNewest of each key, and no more than fits, however long
// the sink is away.
func TestLatestPerKeyKeepsTheNewest(t *testing.T) {
	q := New(Config{Options: Options{Size: 100, Bytes: 1 << 20, WhenFull: WhenFullLatestPerKey}})
	put := func(key string, n int) {
		if err := q.Put(t.Context(), []*event.Event{{Key: key, Data: fmt.Append(nil, n)}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("never changes", -1)
	for n := range 100_000 {
		put(fmt.Sprint("key ", n%50), n)
	}
	if len(q.ring) > 512 || len(q.latest.outdated) > 1000 {
		t.Errorf("a ring of %d, %d overtaken", len(q.ring), len(q.latest.outdated))
	}
	var items []Item
	for len(q.gaps) > 0 || q.inRing > 0 { // what was dropped is told of in between
		more, _, _ := q.Take(t.Context(), nil, 1000)
		items = append(items, more...)
	}
	newest := map[string]string{}
	for _, it := range items {
		newest[it.Event.Key] = string(it.Event.Data)
	}
	if len(newest) != 51 || newest["never changes"] != "-1" || newest["key 7"] != "99957" {
		t.Errorf("%d keys, %v", len(newest), newest)
	}
	for n := range 100_000 { // never full: what is overtaken is forgotten when it is taken
		put("a", n)
		put("a", n)
		q.Take(t.Context(), nil, 2)
	}
	if n := len(q.latest.outdated); n > 1000 {
		t.Errorf("%d overtaken events are remembered that are gone", n)
	}
}
