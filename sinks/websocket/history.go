package websocket

import (
	"fmt"
	"slices"
	"time"

	"eventgateway/gateway/event"
)

// The bounds of a block of the history: in events, and in bytes of payload.
const (
	blockEvents = 256
	blockBytes  = chunkSize
)

// history is the events of the main log, which topics are made of: a linked list of blocks.
// Numbers count the messages of the main log from 1. Events that are beyond the bounds of
// the history are kept by the topics that have not come so far yet, and by nothing else.
type history struct {
	first  uint64   // number of the first event that a client can come back to
	next   uint64   // number of the next event
	blocks []*block // from the one that has first; at least one
	places map[string]uint64
}

// block is a piece of the history. Only the hub appends, under its lock; events that it has
// are never changed, so that who has got them under the lock may read them without it.
type block struct {
	first  uint64 // number of its first event
	before uint64 // bytes of the main log before it
	bytes  int    // of payload
	events []past
	next   *block // set once this one is complete
}

// past is one event: its payload stands in the log.
type past struct {
	event.Event
	at     time.Time
	place  string
	key    string // where rights are looked up: whose it is
	was    string // and whose it would be, had its row stayed as it was
	opcode byte   // of its frame
	whole  []byte // its frame, where it is so large that a chunk of the log is no more; else nil
}

// cursor is a place between two events.
type cursor struct {
	block *block
	index int // events of block before it
}

func newHistory(named bool) history {
	h := history{first: 1, next: 1, blocks: []*block{{first: 1}}}
	if named {
		h.places = map[string]uint64{}
	}
	return h
}

// add notes the next event; before is how many bytes the main log had before it.
func (h *history) add(p past, before uint64) {
	last := h.blocks[len(h.blocks)-1]
	if len(last.events) == blockEvents || last.bytes >= blockBytes {
		last.next = &block{first: h.next, before: before}
		last = last.next
		h.blocks = append(h.blocks, last)
	}
	last.events = append(last.events, p)
	last.bytes += len(p.Data)
	if p.place != "" {
		h.places[p.place] = h.next
	}
	h.next++
}

// forget drops the events up to a number.
func (h *history) forget(upTo uint64) {
	if h.places != nil {
		for number := h.first; number <= upTo && number < h.next; number++ {
			if place := h.at(number).place; place != "" && h.places[place] == number {
				delete(h.places, place)
			}
		}
	}
	h.first = max(h.first, min(upTo+1, h.next))
	n := 0
	for n < len(h.blocks)-1 && h.blocks[n+1].first <= h.first {
		n++
	}
	clear(h.blocks[:n])
	h.blocks = h.blocks[n:]
}

// seek returns the place before the event with a number, which the history has, or which
// is the next.
func (h *history) seek(number uint64) cursor {
	i, found := slices.BinarySearchFunc(h.blocks, number, func(b *block, n uint64) int {
		switch {
		case b.first < n:
			return -1
		case b.first > n:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	return cursor{h.blocks[i], int(number - h.blocks[i].first)}
}

func (h *history) at(number uint64) *past {
	c := h.seek(number)
	return &c.block.events[c.index]
}

// key returns the key by which the message with a number is conflated, and false where it is too
// old to tell. An event that joins keys has one of its own: a newer one of its key says nothing of
// the other key, or of the table.
func (h *history) key(number uint64) (string, bool) {
	if number < h.first || number >= h.next {
		return "", false
	}
	p := h.at(number)
	if p.SpansKeys() {
		return fmt.Sprintf("%s\x00%d", p.Key, number), true
	}
	return p.Key, true
}

// events returns events behind the cursor, as many as one block has, and moves it to before
// the first of them. It needs the hub's lock; what it returns does not.
func (c *cursor) events() []past {
	for c.index == len(c.block.events) && c.block.next != nil {
		*c = cursor{block: c.block.next}
	}
	n := len(c.block.events)
	return c.block.events[c.index:n:n]
}

// number returns the number of the event behind the cursor.
func (c *cursor) number() uint64 { return c.block.first + uint64(c.index) }
