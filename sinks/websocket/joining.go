package websocket

import (
	"errors"
	"log/slog"
	"runtime/debug"
	"time"
)

// joining is a client that joins a topic. It is a task of the topic's feeder. If the client resumes from messages that
// the topic does not have, the feeder evaluates the events of the history for them, and inserts them into the log of
// the topic. Only the feeder uses it until done is closed.
type joining struct {
	subscription subscription
	address      string
	from         resumePoint

	canceled     bool // the client no longer waits
	resumes      bool
	offset, seen uint64    // the messages that the client has
	until        uint64    // the topic needs its messages up to this offset
	cursor       cursor    // next event to evaluate
	older        *topicLog // of the events that were evaluated
	keys         []columnKeys

	done  chan struct{}
	topic *topic
	at    startPoint
	err   error
}

var errUnevaluable = errors.New("this subscription cannot be evaluated: use another one")

// join begins to join.
func (f *feeder) join(j *joining) {
	if j.topic, j.err = f.findOrCreate(j.address, j.subscription); j.err != nil {
		close(j.done)
		return
	}
	j.until = f.hub.main.log.messages.Load()
	f.begin(j)
	if j.resumes || !j.run(f, time.Now()) {
		f.turns.add(j.address, j)
	}
}

// begin finds the point from which the client resumes, and the events to evaluate for it.
func (f *feeder) begin(j *joining) {
	h := f.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trim(h.now())
	if j.from.given {
		j.offset, j.seen, j.resumes = h.resumeOffset(h.epochOf(j.topic), j.from)
	}
	if j.from.last > 0 {
		j.offset, j.resumes = h.lastOffset(j.from.last), true
	}
	j.older = nil
	if j.resumes && j.topic.begin > j.offset {
		j.cursor, j.older = h.history.seek(j.offset+1), newTopicLog(0, 0)
	}
}

// cancel ends the wait of a client that has left. It may have joined meanwhile.
func (f *feeder) cancel(j *joining) {
	select {
	case <-j.done:
		if j.err == nil {
			f.release(j.topic, j.address)
		}
	default:
		j.canceled = true
	}
}

// run is part of [task].
func (j *joining) run(f *feeder, begin time.Time) (done bool) {
	t := j.topic
	defer func() {
		if p := recover(); p != nil {
			f.hub.panics.Log(f.hub.log, slog.LevelError, "subscription refused after panic", "panic", p, "stack", string(debug.Stack()))
			done = j.refuse(f, errUnevaluable)
		}
	}()
	if j.canceled {
		f.release(t, j.address)
		return true
	}
	if t.removed {
		return j.refuse(f, t.endReason.err())
	}
	if t.complete() < j.until || !j.backfill(f, begin) {
		return false
	}
	j.at = f.hub.start(j)
	f.trim(t)
	j.older, j.cursor, j.keys = nil, cursor{}, nil
	close(j.done)
	return true
}

// refuse ends the wait with an error. It returns true: the task is done.
func (j *joining) refuse(f *feeder, err error) bool {
	j.err = err
	f.release(j.topic, j.address)
	close(j.done)
	return true
}

// backfill evaluates the events between those that the client has and those that the topic has, until the turn is
// over. When it has all, it inserts the messages into the log of the topic, and reports true. The client must begin
// in the same turn: the topic may remove them again.
func (j *joining) backfill(f *feeder, begin time.Time) (done bool) {
	t := j.topic
	if !j.resumes || t.begin <= j.offset {
		return true
	}
	// The topic may have removed messages since begin, or another client has inserted a part of them.
	if j.older == nil || j.cursor.offset() > t.begin+1 {
		if f.begin(j); j.older == nil {
			return true
		}
	}
	if j.keys == nil {
		j.keys = t.columnKeys()
	}
	started := time.Now()
	defer func() {
		if t.filtered() && f.hub.opts.Limits.FilterTime > 0 {
			f.chargeAddress(j.address, time.Since(started))
		}
	}()
	for j.cursor.offset() <= t.begin {
		f.hub.mu.Lock()
		events := j.cursor.following()
		f.hub.mu.Unlock()
		first := j.cursor.offset()
		events = events[:min(uint64(len(events)), t.begin+1-first)]
		n := f.evaluate(t, j.keys, j.cursor, events, begin)
		for _, m := range f.matches {
			j.older.append(first+uint64(m.index), m, &events[m.index])
		}
		j.cursor.index += n
		if time.Since(begin) > turnTime {
			return false
		}
	}
	t.mu.Lock()
	t.own.insert(j.older)
	t.begin = j.offset
	t.mu.Unlock()
	return true
}
