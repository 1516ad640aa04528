package websocket

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestClientListKeepsOrder compares a list with a model: random clients come and go, and pages have those that stay in their order.
func TestClientListKeepsOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var list clientList
	var model []*client
	for range 5000 {
		if n := len(model); n > 0 && random.IntN(100) < 48 {
			i := random.IntN(n)
			list.remove(model[i])
			list.remove(model[i]) // a second time does nothing
			model = slices.Delete(model, i, i+1)
		} else {
			c := &client{}
			list.add(c)
			model = append(model, c)
		}
		if len(list.list) > 2*len(model)+65 {
			t.Fatalf("%d places for %d clients", len(list.list), len(model))
		}
	}
	if !slices.Equal(list.all(), model) || list.count != len(model) {
		t.Fatal("the list differs from the model")
	}
	var paged []*client
	for after, more := uint64(0), true; more; {
		var part []*client
		part, after, more = list.part(after, 7)
		paged = append(paged, part...)
	}
	if !slices.Equal(paged, model) {
		t.Errorf("%d clients in pages, want %d", len(paged), len(model))
	}
	if part, _, more := list.part(list.number, 7); len(part) != 0 || more {
		t.Error("there are clients behind the last one")
	}
}
