package postgresoutbox

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// reused reports whether a check of all ids reports a change as reused.
func (h *reuseDetector) reused(id, xid int64) bool {
	from, to, seen := h.boundsBetween(0, unknownXID)
	for i := range from {
		if from[i] < id && id <= to[i] && xid >= seen[i] {
			return true
		}
	}
	return false
}

// TestReuseDetectorBounds checks the bounds after reads, pending changes, rows from a dump, and
// deletion.
func TestReuseDetectorBounds(t *testing.T) {
	h := newReuseDetector(10, 0, 4)
	if h.highestXID() != 0 || h.reused(7, 1<<40) {
		t.Error("it knows of what an older version has stored nothing")
	}
	h.noteRead([]row{{id: 7, xid: 50}, {id: 12, xid: 100}, {id: 14, xid: 90}}, 110)
	for id, bound := range map[int64]int64{12: 110, 13: 110, 14: 110} {
		if h.reused(id, bound-1) || !h.reused(id, bound) {
			t.Errorf("id %d is not told apart at %d", id, bound)
		}
	}
	if h.highestXID() != 0 {
		t.Errorf("seen %d, and one is not known", h.highestXID())
	}
	h.noteRead([]row{{id: 13, xid: 300}, {id: 20, xid: 900}}, 200) // 13 lay in a gap; 20 is from a dump
	if h.reused(13, 300) || !h.reused(13, 301) || !h.reused(14, 300) || h.reused(14, 109) || !h.reused(12, 300) || h.reused(20, 900) || !h.reused(20, 901) {
		t.Errorf("%+v", h.bounds)
	}
	h.noteDeleted(20, true) // transaction ids of another server are gone with their rows
	if h.highestXID() != 200 || !h.reused(3, 200) || !h.reused(20, 200) || h.reused(20, 199) {
		t.Errorf("seen %d, %+v", h.highestXID(), h.bounds)
	}
}

// TestReuseDetectorAcceptsAllReadChanges proves that no change that was read counts as reused, however
// bounds are merged and removed.
func TestReuseDetectorAcceptsAllReadChanges(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		h := newReuseDetector(0, 0, 0)
		id, xid, gone := int64(0), int64(3), int64(0)
		kept, missing := map[int64]int64{}, map[int64]int64{}
		for range 3000 {
			var rows []row
			for m := range missing { // from a gap, with any transaction id
				if rnd.IntN(3) == 0 {
					rows = append(rows, row{id: m, xid: xid + rnd.Int64N(5)})
					delete(missing, m)
					break
				}
			}
			for range rnd.IntN(4) {
				id++
				if rnd.IntN(5) == 0 {
					missing[id] = 0
					continue
				}
				xid++
				rows = append(rows, row{id: id, xid: xid})
			}
			h.noteRead(rows, xid+1)
			for _, one := range rows {
				kept[one.id] = one.xid
			}
			if rnd.IntN(50) == 0 && len(missing) == 0 {
				gone = id - rnd.Int64N(id+1)/10
				for one := range kept {
					if one <= gone {
						delete(kept, one)
					}
				}
				h.noteDeleted(gone, true)
			}
		}
		for one, x := range kept {
			if h.reused(one, x) {
				t.Fatalf("seed %d: %s", seed, fmt.Sprint(one, x, h.deletedTo))
			}
		}
		if len(h.bounds) > maxBounds+1 {
			t.Fatalf("%d marks", len(h.bounds))
		}
	}
}
