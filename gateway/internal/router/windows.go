package router

import (
	"container/list"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/queue"
)

// window holds the events that a batch transform gets at once.
type window struct {
	windowKey
	run      *ack.Run // that waits for the events; nil: none
	events   []*event.Event
	receipts []*ack.Receipt // each counts the window as one copy; nil where no source can replay the events
	bytes    int
	until    time.Time
	place    *list.Element // of windows.open
}

// windowKey is what the events of a window have in common.
type windowKey struct {
	source string
	by     string
}

// openRun is the run that all open windows of a source belong to, and their number. A source has open windows of one run at
// a time, so events of two runs stay in order.
type openRun struct {
	run     *ack.Run
	windows int
}

// lane is the events of one source and key, which stay in order.
type lane struct{ source, key string }

// windows hold the events that one stage has not got yet. A window is open until it is full, its time
// is over, or what comes next must not overtake it. Those that are not open any more wait for the stage
// in the order in which they ended.
type windows struct {
	limit Window

	mu    sync.Mutex
	byKey map[windowKey]*window
	open  list.List // of *window, in the order in which they were opened, and so in that of their ends
	ended []*window
	runs  map[string]openRun // by source, while it has open windows
	lanes map[lane]*window   // the open window of a lane's last event; nil: each source has only one
	bytes int                // of the open windows
	timer *time.Timer
	armed bool // the timer runs
	over  bool // the stage is closed: nothing is held any more

	fired sync.WaitGroup // calls of the timer's function that have not returned
}

// newWindows makes windows that call due, in a goroutine, when the time of one is over.
func newWindows(limit Window, due func()) *windows {
	ws := &windows{limit: limit, byKey: map[windowKey]*window{}, runs: map[string]openRun{}}
	if !limit.By.IsZero() {
		ws.lanes = map[lane]*window{}
	}
	ws.timer = time.AfterFunc(time.Hour, func() {
		if ws.fires() {
			defer ws.fired.Done()
			due()
		}
	})
	ws.timer.Stop()
	return ws
}

func (ws *windows) fires() bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if !ws.over {
		ws.fired.Add(1)
	}
	return !ws.over
}

// add puts events into windows, in order. Each window in which it puts some adds itself to the receipt. It returns how many windows it has
// ended because of the bounds of all together.
func (ws *windows) add(events []*event.Event, rec *ack.Receipt, eval *expr.Evaluator) (early uint64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, e := range events {
		early += ws.addOne(e, rec, eval)
	}
	if ws.over {
		ws.end(func(*window) bool { return true })
	}
	ws.arm()
	return early
}

func (ws *windows) addOne(e *event.Event, rec *ack.Receipt, eval *expr.Evaluator) (early uint64) {
	key, run := windowKey{source: e.Source}, rec.Run()
	ln, spans := lane{e.Source, e.Key}, e.SpansKeys()
	if ws.lanes != nil {
		if text, _, err := eval.Text(nil, ws.limit.By, e); err == nil {
			key.by = string(text)
		}
		if w := ws.lanes[ln]; w != nil && w.windowKey != key && e.Key != "" {
			ws.endOne(w)
		}
	}
	w := ws.byKey[key]
	another := (w == nil || w.run != run) && ws.runs[e.Source].windows > 0 && ws.runs[e.Source].run != run
	if spans || another { // an event that spans keys has a window of its own, after all open windows of its source
		ws.end(func(w *window) bool { return w.source == e.Source })
		w = nil
	}
	if w == nil {
		w = &window{windowKey: key, run: run, until: time.Now().Add(ws.limit.Time.D())}
		w.place, ws.byKey[key] = ws.open.PushBack(w), w
		ws.runs[e.Source] = openRun{run, ws.runs[e.Source].windows + 1}
	}
	if n := len(w.receipts); rec != nil && (n == 0 || w.receipts[n-1] != rec) {
		rec.Add(1)
		w.receipts = append(w.receipts, rec)
	}
	w.events, w.bytes, ws.bytes = append(w.events, e), w.bytes+len(e.Data)+queue.Overhead, ws.bytes+len(e.Data)+queue.Overhead
	if ws.lanes != nil && e.Key != "" {
		ws.lanes[ln] = w
	}
	if spans || len(w.events) >= ws.limit.Size {
		ws.endOne(w)
	}
	for ws.bytes > int(ws.limit.Bytes) || ws.open.Len() > ws.limit.Keys {
		ws.endOne(ws.open.Front().Value.(*window))
		early++
	}
	return early
}

// endOne ends an open window.
func (ws *windows) endOne(w *window) {
	ws.open.Remove(w.place)
	delete(ws.byKey, w.windowKey)
	if left := ws.runs[w.source].windows - 1; left > 0 {
		ws.runs[w.source] = openRun{w.run, left}
	} else {
		delete(ws.runs, w.source)
	}
	if ws.lanes != nil {
		for _, e := range w.events {
			if ln := (lane{e.Source, e.Key}); ws.lanes[ln] == w {
				delete(ws.lanes, ln)
			}
		}
	}
	ws.bytes -= w.bytes
	ws.ended = append(ws.ended, w)
}

// end ends the open windows for which is returns true, in their order.
func (ws *windows) end(is func(*window) bool) {
	for at := ws.open.Front(); at != nil; {
		w := at.Value.(*window)
		at = at.Next()
		if is(w) {
			ws.endOne(w)
		}
	}
}

// endOf ends the windows whose events a source waits for, and those of which it cannot be known: all with nil.
func (ws *windows) endOf(of *ack.Tracker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.end(func(w *window) bool { return of == nil || w.run == nil || w.of(of) })
}

// endDue ends the windows whose time is over.
func (ws *windows) endDue(now time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.armed = false
	ws.end(func(w *window) bool { return !w.until.After(now) })
	ws.arm()
}

// arm starts the timer where a window is open and it does not run. It runs out for a window that has
// ended before, too: then it is started again for the next one.
func (ws *windows) arm() {
	if first := ws.open.Front(); first != nil && !ws.armed {
		ws.armed = true
		ws.timer.Reset(time.Until(first.Value.(*window).until))
	}
}

// next takes the first window that has ended; nil where there is none. over says that the stage is closed.
func (ws *windows) next() (w *window, over bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.ended) == 0 {
		ws.ended = nil
		return nil, ws.over
	}
	w, ws.ended[0] = ws.ended[0], nil
	ws.ended = ws.ended[1:]
	return w, ws.over
}

// take removes the windows, open or ended, for which is returns true, and returns them.
func (ws *windows) take(is func(*window) bool) (taken []*window) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.end(is)
	var kept []*window
	for _, w := range ws.ended {
		if is(w) {
			taken = append(taken, w)
		} else {
			kept = append(kept, w)
		}
	}
	ws.ended = kept
	return taken
}

// close makes the windows refuse events. It waits for calls of the timer's function until deadline.
func (ws *windows) close(deadline time.Time) {
	ws.mu.Lock()
	ws.over = true
	ws.timer.Stop()
	ws.mu.Unlock()
	endedBy(&ws.fired, deadline)
}

// of reports whether a source waits for the events.
func (w *window) of(t *ack.Tracker) bool { return w.run != nil && w.receipts[0].Of(t) }
