package router

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/options"
)

// TestWindowsKeepTheOrder of each key, for whatever ends them, also with several runs and sources. Each window has
// events of one source, run and value, each event comes once, and the bounds hold.
func TestWindowsKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Window{Size: rapid.IntRange(1, 5).Draw(t, "size"), Time: options.Duration(time.Hour), Bytes: options.Size(rapid.IntRange(300, 4000).Draw(t, "bytes")), Keys: rapid.IntRange(1, 4).Draw(t, "keys")}
		by := rapid.Bool().Draw(t, "by")
		if by {
			limit.By = mustBy("g")
		}
		ws := newWindows(limit, func() {})
		defer ws.close(time.Now())
		tracker := ack.NewTracker(&stats.SourceRecord{}, nil)
		runs := []*ack.Run{nil, tracker.Begin(), tracker.Begin()}
		eval := expr.NewEvaluator(time.Now, expr.NewUUID)
		var got []*window
		apply := func() {
			for w, _ := ws.next(); w != nil; w, _ = ws.next() {
				got = append(got, w)
			}
		}
		number := map[*event.Event]int{}
		runOf := map[*event.Event]*ack.Run{}
		for i := range rapid.IntRange(1, 60).Draw(t, "batches") {
			run := rapid.SampledFrom(runs).Draw(t, "run")
			var rec *ack.Receipt
			if run != nil {
				rec = run.Receipt(event.Batch{})
			}
			var events []*event.Event
			for range rapid.IntRange(1, 4).Draw(t, "events") {
				e := &event.Event{
					Source: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "source"), Key: rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "key"),
					Data: fmt.Appendf(nil, `{"g":%q,"n":%d}`, strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "group")), i),
				}
				if rapid.IntRange(0, 9).Draw(t, "spans") == 0 {
					e.Attrs = []event.Attr{{Name: event.AttrBarrier, Value: "t"}}
				}
				number[e], runOf[e] = len(number), run
				events = append(events, e)
			}
			ws.add(events, rec, &eval)
			if ws.bytes > int(limit.Bytes) || ws.open.Len() > limit.Keys {
				t.Fatalf("%d bytes, %d open windows", ws.bytes, ws.open.Len())
			}
			switch rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				apply()
			case 1:
				ws.endOf(tracker)
			case 2:
				ws.mu.Lock()
				if first := ws.open.Front(); first != nil { // its time is over
					ws.endOne(first.Value.(*window))
				}
				ws.mu.Unlock()
			}
		}
		ws.endOf(nil)
		apply()
		var all []*event.Event
		for _, w := range got {
			if len(w.events) > limit.Size {
				t.Fatalf("a window of %d", len(w.events))
			}
			for _, e := range w.events {
				if e.Source != w.source || runOf[e] != w.run {
					t.Fatalf("a window has events of several sources or runs")
				}
			}
			all = append(all, w.events...)
		}
		if len(all) != len(number) || len(ws.byKey)+len(ws.runs)+len(ws.lanes)+ws.open.Len()+ws.bytes != 0 {
			t.Fatalf("%d of %d, and left: %v %v %v", len(all), len(number), ws.byKey, ws.runs, ws.lanes)
		}
		for i, e := range all {
			for _, before := range all[:i] {
				ordered := !by || e.Key != "" && e.Key == before.Key || e.SpansKeys() || before.SpansKeys()
				if e.Source == before.Source && ordered && number[before] > number[e] {
					t.Fatalf("%d came after %d", number[e], number[before])
				}
			}
		}
	})
}
