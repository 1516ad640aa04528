package websocket

import (
	"fmt"
	"sync"

	"eventgateway/gateway/expr"
)

// topic is a subscription, and the log of its messages. All clients with this subscription read from it. The main
// topic has all messages. Each other topic has a feeder, which appends the messages for which the subscription matches.
type topic struct {
	subscription
	key  string
	hash string // of key; a part of the epoch that clients get
	log  *log   // that of own, or of the main topic

	// Only the feeder uses what follows. The main topic has none of it.
	feeder                    *feeder
	own                       *topicLog // appended and inserted with mu
	creator                   string    // address of the client for which it was created
	clients                   int
	addresses                 map[string]int // clients by address, if max_topics bounds it
	removed                   bool           // from the feeder's topics
	listIndex                 int            // in the feeder's list
	createdAt, createdAtBytes uint64         // messages and bytes of the main log when it was created
	terms                     []indexedTerm  // an event with none of them does not match
	indexed                   bool           // terms are known; else each event is evaluated
	filterParts, rightsParts  []*conjunct    // of the conditions, shared with other topics
	pending                   []cursor       // events that were read and may match, to be evaluated
	lastPosition              uint64         // offset in the last position message
	timeBudget                expr.TimeBudget
	reported                  int64 // bytes of this topic that the metric counts

	mu        sync.Mutex
	ready     bool       // there are events to evaluate
	upTo      uint64     // the log has all messages of the topic up to this offset
	begin     uint64     // the log has no message up to this offset
	endReason *endReason // nil while it is fed
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
	return fmt.Sprintf("%q %q %q %v", s.channels, s.filter.String(), s.rights.id, s.protocol)
}

// isAll reports whether the subscription gets all events, and so has the main topic.
func (s subscription) isAll() bool {
	return len(s.channels) == 0 && s.filter.IsZero() && s.rights.unlimited()
}

// filtered reports whether the subscription has channels or a filter.
func (s subscription) filtered() bool { return len(s.channels) > 0 || !s.filter.IsZero() }

// append appends the messages of matches among events, whose first has an offset, and records that the
// topic has all messages before the next pending event. Idle clients are woken. It is one critical section, so that a client that
// resumes sees all of it or nothing.
func (t *topic) append(first uint64, matches []match, events []storedEvent, matched uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range matches {
		t.own.append(first+uint64(m.index), m, &events[m.index])
	}
	t.ready, t.upTo = len(t.pending) > 0, matched
	if t.ready {
		t.upTo = t.pending[0].offset() - 1
	}
	if len(matches) > 0 {
		t.own.publish()
	}
}

// sendPosition appends a position message if the last one is older than a number of messages, so that clients of a
// filter without matches can resume.
func (f *feeder) sendPosition(t *topic, after uint64) {
	offset := t.complete() // only this goroutine changes it
	if !t.protocol || offset < t.lastPosition+after {
		return
	}
	frame := f.hub.positionFrame(offset)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own.appendOwn(frame, offset, f.hub.main.log.bytes.Load(), true)
	t.own.publish()
	t.lastPosition = offset
}

// completeTo is complete with t.mu held.
func (t *topic) completeTo() uint64 {
	if t.ready {
		return t.upTo
	}
	return max(t.upTo, t.feeder.matched.Load())
}

// trim removes messages from the log that are older than the history, or exceed a memory in bytes; 0 is no bound.
// Both only bound what is shared by clients that resume: removed messages can be read from the history again.
func (t *topic) trim(historyFirst uint64, maxBytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if used, _ := t.own.tail.published(); used > 0 && t.own.tail.lastOffset() < historyFirst {
		t.own.seal()
	}
	for {
		used, _ := t.own.head.published()
		if old := used > 0 && t.own.head.lastOffset() < historyFirst; !old && (maxBytes == 0 || t.size() <= maxBytes) {
			return
		}
		offset, ok := t.own.trimChunk()
		if !ok {
			return
		}
		t.begin = max(t.begin, offset)
	}
}

// size returns the memory of the topic's log, in bytes.
func (t *topic) size() int64 { return int64(t.own.bytesHeld) }

// sentOffset returns the offset up to which a client at a position was sent every message.
func (t *topic) sentOffset(p position) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !p.skipRead() {
		return t.completeTo()
	}
	if p.chunk.isPosition {
		return p.chunk.offset
	}
	return p.chunk.offset + uint64(p.chunkIndex) - 1
}

// complete returns the offset up to which the log has all messages of the topic.
func (t *topic) complete() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.completeTo()
}
