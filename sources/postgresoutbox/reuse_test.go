package postgresoutbox

import (
	"math"
	"math/rand/v2"
	"testing"

	"eventgateway/gateway/pgsnapshot"
)

// reused reports whether a check of all ids reports a change as reused.
func (h *reuseDetector) reused(t *testing.T, id, xid int64) bool {
	from, to, seen := h.boundsBetween(0, math.MaxInt64)
	for i := range from {
		if from[i] < id && id <= to[i] && !parsed(t, seen[i]).Sees(xid) {
			return true
		}
	}
	return false
}

func parsed(t *testing.T, text string) *pgsnapshot.TxSnapshot {
	t.Helper()
	s, err := pgsnapshot.ParseTxSnapshot(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReuseDetectorBounds checks the bounds after reads, pending changes, changes from a dump, checks, and
// deletion.
func TestReuseDetectorBounds(t *testing.T) {
	h := newReuseDetector(10, nil, 4)
	if h.seen() != nil || h.reused(t, 7, 1<<40) {
		t.Error("it knows of what an older version has stored nothing")
	}
	h.noteRead([]row{{id: 7, xid: 50}, {id: 12, xid: 100}, {id: 14, xid: 90}}, parsed(t, "70:110:70,95"))
	for id, want := range map[int64]bool{12: true, 13: true, 14: true, 15: false} {
		if h.reused(t, id, 109) || h.reused(t, id, 110) != want || h.reused(t, id, 95) != want || h.reused(t, id, 70) != want {
			t.Errorf("id %d", id)
		}
	}
	if h.seen() != nil {
		t.Error("one is not known")
	}
	h.noteRead([]row{{id: 13, xid: 95}, {id: 16, xid: 130}, {id: 20, xid: 900}}, parsed(t, "70:200:70")) // 13 was pending; 20 is from a dump
	if h.reused(t, 13, 95) || !h.reused(t, 13, 200) || !h.reused(t, 14, 95) || !h.reused(t, 12, 95) {
		t.Errorf("pending: %+v", h.bounds)
	}
	if h.reused(t, 20, 900) || h.reused(t, 20, 901) || h.reused(t, 19, 130) || !h.reused(t, 19, 70) {
		t.Errorf("dump: %+v", h.bounds)
	}
	h.noteChecked([]idRange{{from: 13, to: 18}}, 0)
	if !h.reused(t, 12, 130) || h.reused(t, 13, 130) || h.reused(t, 18, 199) || !h.reused(t, 18, 70) || h.reused(t, 20, 70) {
		t.Errorf("checked: %+v", h.bounds)
	}
	h.noteChecked([]idRange{{from: math.MinInt64, to: 20}}, 20) // changes of another server were deleted
	if h.seen() == nil || h.seen().String() != "70:200:70" || len(h.bounds) != 1 || !h.reused(t, 3, 70) || !h.reused(t, 20, 200) || h.reused(t, 20, 199) {
		t.Errorf("deleted: %+v", h.bounds)
	}
}

// TestReuseDetectorAcceptsAllReadChanges proves that no change that was read counts as reused, however
// bounds are merged, checked and removed; and that a change of a transaction that was open in the latest
// check does.
func TestReuseDetectorAcceptsAllReadChanges(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		h := newReuseDetector(0, nil, 0)
		id, next := int64(0), int64(3)
		kept, open := map[int64]int64{}, map[int64][]int64{} // changes that were read; ids of open transactions
		for range 3000 {
			for range rnd.IntN(4) {
				xid := next
				next++
				for range 1 + rnd.IntN(2) {
					id++
					open[xid] = append(open[xid], id)
				}
			}
			committed := map[int64]int64{}
			for xid, ids := range open {
				if rnd.IntN(3) > 0 {
					continue
				}
				for _, one := range ids {
					committed[one] = xid
				}
				delete(open, xid)
			}
			in := &pgsnapshot.TxSnapshot{Xmin: next, Xmax: next}
			for xid := range open {
				in.Running = append(in.Running, xid)
				in.Xmin = min(in.Xmin, xid)
			}
			var rows []row
			for one := range id + 1 {
				if xid, ok := committed[one]; ok {
					rows = append(rows, row{id: one, xid: xid})
					kept[one] = xid
				}
			}
			h.noteRead(rows, in)
			if rnd.IntN(20) == 0 {
				from := rnd.Int64N(id + 1)
				h.noteChecked([]idRange{{from: from, to: from + rnd.Int64N(id+1)}}, 0)
			}
			if rnd.IntN(50) == 0 && len(open) == 0 {
				kept = map[int64]int64{}
				h.noteChecked([]idRange{{from: math.MinInt64, to: id}}, id)
			}
		}
		for one, x := range kept {
			if h.reused(t, one, x) {
				t.Fatalf("seed %d: id %d, transaction %d, %+v", seed, one, x, h.bounds)
			}
		}
		if len(h.bounds) > maxBounds+1 {
			t.Fatalf("%d bounds", len(h.bounds))
		}
		if n := h.bounds[len(h.bounds)-1].upTo; !h.reused(t, n, next) || !h.reused(t, 1, next) {
			t.Fatal("a later transaction is not detected")
		}
	}
}
