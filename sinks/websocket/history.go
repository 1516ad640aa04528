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
	first          uint64   // number of the first event that a client can come back to
	next           uint64   // number of the next event
	blocks         []*block // from the one that has first; at least one
	namedPositions map[string]uint64
}

// block is a piece of the history. Only the hub appends, under its lock; events that it has
// are never changed, so that who has got them under the lock may read them without it.
type block struct {
	first       uint64 // number of its first event
	bytesBefore uint64 // bytes of the main log before it
	bytes       int    // of payload
	events      []storedEvent
	next        *block // set once this one is complete
}

// storedEvent is one event: its payload stands in the log.
type storedEvent struct {
	event.Event
	loggedAt      time.Time
	namedPosition string
	rightsKey     string // where rights are looked up: whose it is
	oldRightsKey  string // and whose it would be, had its row stayed as it was
	opcode        byte   // of its frame
	largeFrame    []byte // its frame, where it is so large that a chunk of the log is no more; else nil
}

// cursor is a place between two events.
type cursor struct {
	block *block
	index int // events of block before it
}

func newHistory(named bool) history {
	h := history{first: 1, next: 1, blocks: []*block{{first: 1}}}
	if named {
		h.namedPositions = map[string]uint64{}
	}
	return h
}

// add notes the next event; before is how many bytes the main log had before it.
func (h *history) add(p storedEvent, before uint64) {
	last := h.blocks[len(h.blocks)-1]
	if len(last.events) == blockEvents || last.bytes >= blockBytes {
		last.next = &block{first: h.next, bytesBefore: before}
		last = last.next
		h.blocks = append(h.blocks, last)
	}
	last.events = append(last.events, p)
	last.bytes += len(p.Data)
	if p.namedPosition != "" {
		h.namedPositions[p.namedPosition] = h.next
	}
	h.next++
}

// trim drops the events up to a number.
func (h *history) trim(upTo uint64) {
	if h.namedPositions != nil {
		for offset := h.first; offset <= upTo && offset < h.next; offset++ {
			if place := h.at(offset).namedPosition; place != "" && h.namedPositions[place] == offset {
				delete(h.namedPositions, place)
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
func (h *history) seek(offset uint64) cursor {
	i, found := slices.BinarySearchFunc(h.blocks, offset, func(b *block, n uint64) int {
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
	return cursor{h.blocks[i], int(offset - h.blocks[i].first)}
}

func (h *history) at(offset uint64) *storedEvent {
	c := h.seek(offset)
	return &c.block.events[c.index]
}

// conflationKey returns the key by which the message with a number is conflated, and false where it is too
// old to tell. An event that joins keys has one of its own: a newer one of its key says nothing of
// the other key, or of the table.
func (h *history) conflationKey(offset uint64) (string, bool) {
	if offset < h.first || offset >= h.next {
		return "", false
	}
	p := h.at(offset)
	if p.SpansKeys() {
		return fmt.Sprintf("%s\x00%d", p.Key, offset), true
	}
	return p.Key, true
}

// following returns events behind the cursor, as many as one block has, and moves it to before
// the first of them. It needs the hub's lock; what it returns does not.
func (c *cursor) following() []storedEvent {
	for c.index == len(c.block.events) && c.block.next != nil {
		*c = cursor{block: c.block.next}
	}
	n := len(c.block.events)
	return c.block.events[c.index:n:n]
}

// offset returns the number of the event behind the cursor.
func (c *cursor) offset() uint64 { return c.block.first + uint64(c.index) }
