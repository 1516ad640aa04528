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
	fed             bool
	maker           string // address of the client for which it was made
	made, madeBytes uint64 // messages and bytes that the main log had then
	kept            *keptBytes
	cursor          cursor // only the feeder
	purse           purse  // only the feeder
	burst           time.Duration

	// What follows is not for the main topic, in which message i has the number i.
	mu        sync.Mutex
	numbers   []message // of the log's history
	from      uint64    // messages of the log before numbers
	covered   uint64    // what has a number up to it is not in the log
	done      uint64    // what has a number up to it, and is for the topic, is in the log
	marked    uint64    // the number that the last mark has told
	published bool      // nothing was appended since
	counted   int64     // of kept, for this topic
	ended     *ending   // nil: it goes on
	waiters   []waiter
}

// waiter waits until a topic has come to a number, or has ended.
type waiter struct {
	number uint64
	there  chan struct{}
}

// message is one of a topic's log: the number of the message that it is, or with mark
// the number up to which clients have everything.
type message struct {
	number uint64
	mark   bool
}

// subscription is what a client may and wants to see.
type subscription struct {
	channels []string // sorted; empty: all
	filter   expr.Condition
	allowed  rights
	protocol bool // it is told its position
}

// id is the same for subscriptions that get the same.
func (s subscription) id() string {
	return fmt.Sprintf("%q %q %q %v", s.channels, s.filter.String(), s.allowed.id(), s.protocol)
}

func (s subscription) all() bool {
	return len(s.channels) == 0 && s.filter.IsZero() && s.allowed.all()
}

// asked says whether a client has asked for less than it may see.
func (s subscription) asked() bool { return len(s.channels) > 0 || !s.filter.IsZero() }

// add appends a message.
func (t *topic) add(number uint64, v verdict, p *past) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.append(number, v, p)
}

// append is add under the lock.
func (t *topic) append(number uint64, v verdict, p *past) {
	switch {
	case v.is == left && v.row != nil:
		t.log.append(opBinary, leaveMessage(v.row), p.at)
	case v.is == left:
		t.log.append(opBinary, leaveMessage(p.Data), p.at)
	case p.whole != nil:
		t.log.share(p.whole, p.at)
	default:
		t.log.append(p.opcode, p.Data, p.at)
	}
	t.numbers = append(t.numbers, message{number: number})
	t.published = false
}

// reach notes that the topic has everything up to a number: it tells clients so from time to
// time, and publishes what was added.
func (t *topic) reach(number uint64, now time.Time, h History) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reached(number, now, h)
}

// reached is reach under the lock.
func (t *topic) reached(number uint64, now time.Time, h History) {
	t.done = number
	if t.protocol && number-min(number, t.marked) >= uint64(h.Events/4+1) {
		t.log.append(opBinary, positionMessage(number), now)
		t.numbers = append(t.numbers, message{number, true})
		t.marked = number
		t.published = false
	}
	if !t.published {
		t.log.publish()
		t.published = true
	}
	waiting := t.waiters[:0]
	for _, w := range t.waiters {
		if w.number > number {
			waiting = append(waiting, w)
			continue
		}
		close(w.there)
	}
	clear(t.waiters[len(waiting):])
	t.waiters = waiting
}

// evict shortens the topic's history, and to so many bytes of memory, where most is not 0.
// It returns false where the last chunk alone is more.
func (t *topic) evict(h History, most int64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(t.log.evict(h, now))
	for most > 0 && t.size() > most && t.log.drop() {
		t.forget(t.log.head.messages)
	}
	t.account()
	return most == 0 || t.size() <= most
}

// forget drops the numbers of so many messages of the log.
func (t *topic) forget(before uint64) {
	if before > t.from {
		n := before - t.from
		t.covered = max(t.covered, t.numbers[n-1].number)
		t.numbers = t.numbers[n:]
		t.from = before
	}
}

// messageBytes is what the number of a message takes.
const messageBytes = 16

// size returns what the topic keeps for clients that come back, in bytes.
func (t *topic) size() int64 { return int64(t.log.kept + messageBytes*cap(t.numbers) + len(t.key)) }

// account brings what all topics keep up to date. It needs the lock.
func (t *topic) account() {
	if !t.fed || !t.asked() {
		return
	}
	size := t.size()
	if t.ended != nil {
		size = 0
	}
	t.kept.add(size - t.counted)
	t.counted = size
}

// behind says whether the topic has not come to a number yet.
func (t *topic) behind(number uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fed && (t.ended != nil || t.done < number)
}

// wait waits until the topic has come to a number. It returns why it never will.
func (t *topic) wait(ctx context.Context, number uint64) error {
	t.mu.Lock()
	if t.ended != nil || t.done >= number {
		defer t.mu.Unlock()
		return t.ended.err()
	}
	w := waiter{number, make(chan struct{})}
	t.waiters = append(t.waiters, w)
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, finding)
	defer cancel()
	select {
	case <-w.there:
	case <-ctx.Done():
		return errStopped
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended.err()
}

// find returns the position behind the message with a number, and so many messages of the
// topic more, and the number that a client has there; false where the topic's history does
// not reach back, or there are not so many.
func (t *topic) find(number, seen uint64) (p position, has uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if number < t.covered {
		return p, 0, false
	}
	i, _ := slices.BinarySearchFunc(t.numbers, number, func(m message, n uint64) int {
		if m.number <= n {
			return -1
		}
		return 1
	})
	for ; seen > 0 && i < len(t.numbers); i++ {
		if !t.numbers[i].mark {
			seen--
		}
		number = t.numbers[i].number
	}
	if seen > 0 {
		return p, 0, false
	}
	return t.log.seek(t.from + uint64(i)), number, true
}
