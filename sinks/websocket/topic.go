package websocket

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/expr"
)

// topic is the messages that clients with the same wishes and rights get, in a log of
// their own. The main topic has all messages.
type topic struct {
	subscription
	key     string
	hash    string // of key, in the epoch of its clients
	log     *log
	clients int            // under the hub's lock, as holders and removed
	holders map[string]int // clients by address, of a topic that clients have asked for
	removed bool           // from the hub's topics

	// Of a topic that the feeder feeds: see feed.go.
	fed                       bool
	creator                   string // address of the client for which it was made
	createdAt, createdAtBytes uint64 // messages and bytes that the main log had then
	memory                    *byteGauge
	cursor                    cursor     // only the feeder
	timeBudget                timeBudget // only the feeder
	burst                     time.Duration

	// What follows is not for the main topic, in which message i has the number i.
	mu           sync.Mutex
	entries      []logEntry // of the log's history
	trimmed      uint64     // messages of the log before numbers
	startOffset  uint64     // what has a number up to it is not in the log
	upTo         uint64     // what has a number up to it, and is for the topic, is in the log
	lastPosition uint64     // the number that the last mark has told
	published    bool       // nothing was appended since
	reported     int64      // of kept, for this topic
	endReason    *endReason // nil: it goes on
	waiters      []waiter
}

// waiter waits until a topic has come to a number, or has ended.
type waiter struct {
	offset uint64
	done   chan struct{}
}

// logEntry is one of a topic's log: the number of the message that it is, or with mark
// the number up to which clients have everything.
type logEntry struct {
	offset     uint64
	isPosition bool
}

// subscription is what a client may and wants to see.
type subscription struct {
	channels []string // sorted; empty: all
	filter   expr.Condition
	rights   rights
	protocol bool // it is told its position
}

// id is the same for subscriptions that get the same.
func (s subscription) id() string {
	return fmt.Sprintf("%q %q %q %v", s.channels, s.filter.String(), s.rights.id(), s.protocol)
}

func (s subscription) isAll() bool {
	return len(s.channels) == 0 && s.filter.IsZero() && s.rights.unlimited()
}

// filtered says whether a client has asked for less than it may see.
func (s subscription) filtered() bool { return len(s.channels) > 0 || !s.filter.IsZero() }

// append appends a message.
func (t *topic) append(offset uint64, v match, p *storedEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.appendLocked(offset, v, p)
}

// appendLocked is add under the lock.
func (t *topic) appendLocked(offset uint64, v match, p *storedEvent) {
	switch {
	case v.kind == matchLeave && v.row != nil:
		t.log.append(opBinary, leaveMessage(v.row), p.loggedAt)
	case v.kind == matchLeave:
		t.log.append(opBinary, leaveMessage(p.Data), p.loggedAt)
	case p.largeFrame != nil:
		t.log.appendShared(p.largeFrame, p.loggedAt)
	default:
		t.log.append(p.opcode, p.Data, p.loggedAt)
	}
	t.entries = append(t.entries, logEntry{offset: offset})
	t.published = false
}

// advance notes that the topic has everything up to a number: it tells clients so from time to
// time, and publishes what was added.
func (t *topic) advance(offset uint64, now time.Time, h History) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advanceLocked(offset, now, h)
}

// advanceLocked is reach under the lock.
func (t *topic) advanceLocked(offset uint64, now time.Time, h History) {
	t.upTo = offset
	if t.protocol && offset-min(offset, t.lastPosition) >= uint64(h.Events/4+1) {
		t.log.append(opBinary, positionMessage(offset), now)
		t.entries = append(t.entries, logEntry{offset, true})
		t.lastPosition = offset
		t.published = false
	}
	if !t.published {
		t.log.publish()
		t.published = true
	}
	waiting := t.waiters[:0]
	for _, w := range t.waiters {
		if w.offset > offset {
			waiting = append(waiting, w)
			continue
		}
		close(w.done)
	}
	clear(t.waiters[len(waiting):])
	t.waiters = waiting
}

// trim shortens the topic's history, and to so many bytes of memory, where most is not 0.
// It returns false where the last chunk alone is more.
func (t *topic) trim(h History, most int64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trimEntries(t.log.trim(h, now))
	for most > 0 && t.size() > most && t.log.trimChunk() {
		t.trimEntries(t.log.head.messages)
	}
	t.reportMemory()
	return most == 0 || t.size() <= most
}

// trimEntries drops the numbers of so many messages of the log.
func (t *topic) trimEntries(before uint64) {
	if before > t.trimmed {
		n := before - t.trimmed
		t.startOffset = max(t.startOffset, t.entries[n-1].offset)
		t.entries = t.entries[n:]
		t.trimmed = before
	}
}

// messageBytes is what the number of a message takes.
const entryBytes = 16

// size returns what the topic keeps for clients that come back, in bytes.
func (t *topic) size() int64 { return int64(t.log.size + entryBytes*cap(t.entries) + len(t.key)) }

// reportMemory brings what all topics keep up to date. It needs the lock.
func (t *topic) reportMemory() {
	if !t.fed || !t.filtered() {
		return
	}
	size := t.size()
	if t.endReason != nil {
		size = 0
	}
	t.memory.add(size - t.reported)
	t.reported = size
}

// lacks says whether the topic has not come to a number yet.
func (t *topic) lacks(offset uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fed && (t.endReason != nil || t.upTo < offset)
}

// waitFor waits until the topic has come to a number. It returns why it never will.
func (t *topic) waitFor(ctx context.Context, offset uint64) error {
	t.mu.Lock()
	if t.endReason != nil || t.upTo >= offset {
		defer t.mu.Unlock()
		return t.endReason.err()
	}
	w := waiter{offset, make(chan struct{})}
	t.waiters = append(t.waiters, w)
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	select {
	case <-w.done:
	case <-ctx.Done():
		return errNotReady
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.endReason.err()
}

// locate returns the position behind the message with a number, and so many messages of the
// topic more, and the number that a client has there; false where the topic's history does
// not reach back, or there are not so many.
func (t *topic) locate(offset, seen uint64) (p position, has uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if offset < t.startOffset {
		return p, 0, false
	}
	i, _ := slices.BinarySearchFunc(t.entries, offset, func(m logEntry, n uint64) int {
		if m.offset <= n {
			return -1
		}
		return 1
	})
	for ; seen > 0 && i < len(t.entries); i++ {
		if !t.entries[i].isPosition {
			seen--
		}
		offset = t.entries[i].offset
	}
	if seen > 0 {
		return p, 0, false
	}
	return t.log.seek(t.trimmed + uint64(i)), offset, true
}
