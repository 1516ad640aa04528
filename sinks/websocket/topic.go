package websocket

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/expr"
)

// topic is the log of a subscription. All clients with this subscription read from it. The main
// topic has all messages.
type topic struct {
	subscription
	key     string
	hash    string // of key; a part of the epoch that clients get
	log     *log
	clients int            // under the hub's lock, as holders and removed
	holders map[string]int // clients by address, of a filtered topic
	removed bool           // from the hub's topics

	// Of a topic that a feeder feeds: see feeder.go.
	fed                       bool
	creator                   string // address of the client for which it was created
	createdAt, createdAtBytes uint64 // messages and bytes of the main log when it was created
	memory                    *byteGauge
	cursor                    cursor     // only the feeder
	timeBudget                timeBudget // only the feeder
	burst                     time.Duration

	// The main topic uses none of what follows: its message i has the offset i.
	mu           sync.Mutex
	entries      []logEntry // of the messages in the log's history
	trimmed      uint64     // messages of the log before entries
	startOffset  uint64     // messages up to this offset are not in the log
	upTo         uint64     // all messages of the topic up to this offset are in the log
	lastPosition uint64     // offset in the last position message
	published    bool       // nothing was appended since log.publish
	reported     int64      // bytes of this topic that memory counts
	endReason    *endReason // nil while it is fed
	waiters      []waiter
}

// waiter waits until a topic has all messages up to an offset, or has ended.
type waiter struct {
	offset uint64
	done   chan struct{}
}

// logEntry describes a message of a topic's log: its offset in the main log, or for a position
// message the offset up to which clients have every message.
type logEntry struct {
	offset     uint64
	isPosition bool
}

// subscription selects the messages that a client gets, by its rights, channels and filter.
type subscription struct {
	channels []string // sorted; empty: all
	filter   expr.Condition
	rights   rights
	protocol bool // the client speaks [Protocol], and gets control messages
}

// id returns the key of the subscription's topic: equal subscriptions have equal ids.
func (s subscription) id() string {
	return fmt.Sprintf("%q %q %q %v", s.channels, s.filter.String(), s.rights.id(), s.protocol)
}

// isAll reports whether the subscription gets all events, and so has the main topic.
func (s subscription) isAll() bool {
	return len(s.channels) == 0 && s.filter.IsZero() && s.rights.unlimited()
}

// filtered reports whether the subscription has channels or a filter.
func (s subscription) filtered() bool { return len(s.channels) > 0 || !s.filter.IsZero() }

// append appends a message. Idle clients get it after advance.
func (t *topic) append(offset uint64, v match, p *storedEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.appendLocked(offset, v, p)
}

// appendLocked is append with t.mu held.
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

// advance records that the topic has all messages up to an offset, and publishes them. A position
// message follows at times, so that clients of a filter without matches can resume.
func (t *topic) advance(offset uint64, now time.Time, h History) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advanceLocked(offset, now, h)
}

// advanceLocked is advance with t.mu held.
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

// trim removes messages beyond the bounds of the history, and beyond maxBytes of memory; 0 is
// no bound. It reports false if the last chunk alone exceeds maxBytes.
func (t *topic) trim(h History, maxBytes int64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trimEntries(t.log.trim(h, now))
	for maxBytes > 0 && t.size() > maxBytes && t.log.trimChunk() {
		t.trimEntries(t.log.head.messages)
	}
	t.reportMemory()
	return maxBytes == 0 || t.size() <= maxBytes
}

// trimEntries removes the entries of the first messages of the log.
func (t *topic) trimEntries(before uint64) {
	if before > t.trimmed {
		n := before - t.trimmed
		t.startOffset = max(t.startOffset, t.entries[n-1].offset)
		t.entries = t.entries[n:]
		t.trimmed = before
	}
}

// entryBytes is the size of a [logEntry] in bytes.
const entryBytes = 16

// size returns the memory of the topic's history, in bytes.
func (t *topic) size() int64 { return int64(t.log.bytesHeld + entryBytes*cap(t.entries) + len(t.key)) }

// reportMemory updates the memory of all filtered topics. It needs t.mu.
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

// lacks reports whether the topic does not have all messages up to an offset yet, or has ended.
func (t *topic) lacks(offset uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fed && (t.endReason != nil || t.upTo < offset)
}

// waitFor waits until the topic has all messages up to an offset. It returns the reason if the
// topic has ended, and errNotReady when ctx or catchUpTimeout ends.
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

// locate returns the position behind the message with an offset and behind seen more messages of
// the topic, and the offset of the last of them. It reports false if the history begins later,
// or ends earlier.
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
