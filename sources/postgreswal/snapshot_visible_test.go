package postgreswal

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgjson"
	"eventgateway/gateway/pgsnapshot"
)

// newNotes returns a reader in a snapshot of public.items, with a view of the transactions.
func newNotes(t *testing.T, view string) *reader {
	t.Helper()
	r := &reader{types: pgjson.NewTypes(), relations: map[uint32]*relation{0: {table: "public.items"}}}
	r.snapshot = (&snapshot{}).withTables(pgsnapshot.Tables{"public.items": {Since: "3"}})
	r.look(t, view)
	return r
}

func (r *reader) look(t *testing.T, text string) {
	t.Helper()
	view, err := pgsnapshot.ParseTxSnapshot(text)
	if err != nil {
		t.Fatal(err)
	}
	r.setView(view)
}

// commit notes a transaction with changes of keys.
func (r *reader) commit(xid uint32, keys ...string) {
	r.tx = transaction{open: true, xid: xid}
	for _, key := range keys {
		e := &event.Event{Channel: "public.items", Key: key}
		if before, now, moved := strings.Cut(key, ">"); moved {
			e.Key, e.Attrs = now, []event.Attr{{Name: event.AttrKeyBefore, Value: before}}
		}
		if key == "" {
			e.Attrs = []event.Attr{{Name: event.AttrBarrier, Value: "public.items"}}
		}
		r.noteChange(e)
	}
	r.tx.open = false
	r.noteCommitted(r.tx)
}

func (r *reader) requireNotes(t *testing.T, unseen string, excluded string, blocked bool) {
	t.Helper()
	var keys []string
	for _, key := range []string{"a", "b", "c", "d"} {
		if r.unseen.excludes("public.items", key) {
			keys = append(keys, key)
		}
	}
	if got := strings.Join(keys, ""); got != excluded || fmt.Sprint(r.snapshot.Unseen) != unseen || r.blocks("public.items") != blocked {
		t.Errorf("unseen %d, excluded %s, blocked %v; want %s, %s, %v", r.snapshot.Unseen, got, r.blocks("public.items"), unseen, excluded, blocked)
	}
}

// TestUnseen proves which rows are left out: those that transactions have changed that are not visible in the latest view.
func TestUnseen(t *testing.T) {
	const epoch = 1 << 32
	r := newNotes(t, fmt.Sprintf("%d:%d:%d", epoch-5, epoch+10, epoch-5))
	r.commit(1<<32-7, "a") // visible
	r.commit(7, "a")
	r.requireNotes(t, "[]", "", false)
	r.commit(1<<32-5, "a")
	r.commit(12, "b>c")
	r.requireNotes(t, fmt.Sprintf("[%d %d]", epoch-5, epoch+12), "abc", false)
	earlier := r.snapshot
	r.commit(15, "d", "")
	r.requireNotes(t, fmt.Sprintf("[%d %d %d]", epoch-5, epoch+12, epoch+15), "abc", true)
	if len(earlier.Unseen) != 2 {
		t.Errorf("an earlier mark has %d", earlier.Unseen)
	}
	r.look(t, fmt.Sprintf("%d:%d:%d", epoch+12, epoch+20, epoch+12))
	r.requireNotes(t, fmt.Sprintf("[%d]", epoch+12), "bc", false)
	r.look(t, fmt.Sprintf("%d:%d:", epoch+20, epoch+20))
	r.requireNotes(t, "[]", "", false)
}

// TestUnseenAfterARestart proves that transactions whose keys are not known block all tables until they are visible, also when the rest of one
// is emitted after the restart.
func TestUnseenAfterARestart(t *testing.T) {
	r := newNotes(t, "10:10:")
	r.snapshot = &snapshot{Tables: r.snapshot.Tables, Unseen: []int64{12, 14}, unfinished: true}
	r.unseen.txs = []*writes{{xid: 12, all: true}, {xid: 14, all: true}}
	r.commit(12, "a")
	r.requireNotes(t, "[12 14]", "", true)
	r.look(t, "14:20:14")
	r.requireNotes(t, "[14]", "", true)
	r.look(t, "20:20:")
	r.requireNotes(t, "[]", "", false)
}

// TestUnseenIsBounded proves that too many keys are replaced by their transactions, and too many transactions by one bound, Below.
func TestUnseenIsBounded(t *testing.T) {
	r := newNotes(t, "10:10:")
	r.tx = transaction{open: true, xid: 11}
	for n := 0; !r.blocks("public.items"); n++ {
		if n > maxUnseenBytes/keyOverhead {
			t.Fatal("the keys are not bounded")
		}
		r.noteChange(&event.Event{Channel: "public.items", Key: fmt.Sprint("public.items:", n)})
	}
	if r.unseen.bytes > 0 || r.unseen.txs[0].keys != nil {
		t.Error("the keys are there")
	}
	r.look(t, "12:12:")
	r.requireNotes(t, "[]", "", false)
	for xid := range uint32(maxUnseen + 1) {
		r.commit(20+xid, "a")
	}
	r.look(t, "12:12:")
	r.requireNotes(t, "[]", "", true)
	if want := int64(20 + maxUnseen + 1); r.snapshot.Below != want {
		t.Errorf("below %d, want %d", r.snapshot.Below, want)
	}
	r.look(t, fmt.Sprintf("%d:%d:", r.snapshot.Below-1, r.snapshot.Below+5))
	r.requireNotes(t, "[]", "", true)
	r.look(t, fmt.Sprintf("%d:%d:", r.snapshot.Below, r.snapshot.Below+5))
	r.requireNotes(t, "[]", "", false)
}
