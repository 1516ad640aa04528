package websocket

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"eventgateway/gateway/expr"
)

// turn is how long the feeder goes on with one topic while others wait for it.
const turn = time.Millisecond

// feeder brings events from the history to the topics of a lane, whose events must be
// evaluated to be found: those of filters and channels, or those of rights that are no
// equality. It is one goroutine, which holds no lock while it evaluates: what strangers ask for
// takes at most one core, and delays no client that asks for nothing.
//
// Topics have turns: those whose filters cost little keep up with the events, and one whose
// filter costs much falls behind alone, until it is ended.
type feeder struct {
	hub      *hub
	lane     *lane
	rounds   int
	eval     expr.Evaluator
	verdicts []verdict // scratch
}

// feed adds a topic to those that are fed. It needs the lock.
func (h *hub) feed(t *topic, history int) {
	t.burst = h.burst(history)
	t.purse = purse{t.burst, time.Now()}
	l := h.laneOf(t)
	l.add(t)
	if !l.running {
		l.running = true
		h.feeders.Add(1)
		h.spawn(func(context.Context) { defer h.feeders.Done(); (&feeder{hub: h, lane: l}).run() })
	}
	l.wake()
}

// run feeds until there is no topic to feed.
func (f *feeder) run() {
	var topics []*topic
	for {
		f.hub.mu.Lock()
		topics = append(topics[:0], f.lane.topics...)
		f.lane.running = len(topics) > 0
		f.hub.mu.Unlock()
		if len(topics) == 0 {
			return
		}
		busy := f.round(topics)
		clear(topics)
		if !busy {
			<-f.lane.woken
		}
	}
}

// feed gives a topic its turn. It returns whether there was something to do, and why the
// topic must end, where it must.
func (f *feeder) feed(t *topic) (more bool, why *ending) {
	defer func() {
		if p := recover(); p != nil {
			f.hub.log.write(slog.LevelError, "a filter has made the sink panic: it is ended", "panic", p, "stack", string(debug.Stack()))
			why = t.tooMuch(closePolicy, "failed", "this filter cannot be evaluated", "what this client may see cannot be evaluated")
		}
	}()
	h := f.hub
	h.mu.Lock()
	events := t.cursor.events()
	behind, behindBytes := h.behind(t)
	h.mu.Unlock()
	if len(events) == 0 {
		return false, nil
	}
	if behind > uint64(h.opts.MaxLag.Events) || behindBytes > uint64(h.opts.MaxLag.Bytes) {
		return false, t.tooMuch(closeSlow, "behind", fmt.Sprintf("this filter is too slow: it is %d messages behind", behind), "the gateway is busy, and behind with what this client may see: connect again")
	}
	begin := time.Now()
	first := t.cursor.number()
	events = f.judge(t, events, begin)
	t.cursor.index += len(events)
	now := h.now()
	t.mu.Lock() // who looks finds all of this, or nothing
	for _, v := range f.verdicts {
		t.append(first+uint64(v.index), v, &events[v.index])
	}
	t.reached(t.cursor.number()-1, now, h.opts.History)
	t.mu.Unlock()
	if !t.evict(h.opts.History, h.most(t), now) {
		return false, &ending{closePolicy, "memory", "this filter takes too much memory for one message"}
	}
	return true, h.charge(t, time.Since(begin))
}

// judge fills the verdicts on the first of the events, and returns those.
func (f *feeder) judge(t *topic, events []past, begin time.Time) []past {
	f.verdicts = f.verdicts[:0]
	for i := range events {
		p := &events[i]
		if v := f.hub.look(&f.eval, t, p); v.is != absent {
			v.index = i
			f.verdicts = append(f.verdicts, v)
		}
		if time.Since(begin) > turn {
			return events[:i+1]
		}
	}
	return events
}

// behind returns how many messages, and bytes of them, the main log is ahead of a topic: of
// one that is still made of the history, since it was asked for.
func (h *hub) behind(t *topic) (messages, bytes uint64) {
	log := h.main.log
	messages = log.messages.Load() - max(t.cursor.number()-1, t.made)
	bytes = log.bytes.Load() - min(log.bytes.Load(), max(t.cursor.block.before+uint64(t.cursor.block.bytes), t.madeBytes))
	return messages, bytes
}

// settle waits until the feeders have brought the topics everything that was written.
func (h *hub) settle(ctx context.Context) {
	h.mu.Lock()
	topics, number := slices.Concat(h.views.topics, h.filters.topics), h.main.log.messages.Load()
	h.mu.Unlock()
	for _, t := range topics {
		_ = t.wait(ctx, number) // one that has ended has no clients any more
	}
}
