package websocket

import (
	"fmt"
	"slices"

	"eventgateway/gateway/event"
)

// Bounds of a block of the history, in events and in bytes of payload.
const (
	blockEvents = 256
	blockBytes  = chunkSize
)

// history holds the events of the main log, from which topics are filled, as a linked list of
// blocks. Offsets count the messages of the main log from 1. Events beyond the bounds of the
// history remain in memory only while the cursor of a topic is before them.
type history struct {
	first          uint64            // offset of the first event
	next           uint64            // offset of the next event
	blocks         []*block          // from the one that holds first; at least one
	namedPositions map[string]uint64 // offsets by the value of the option position; nil without that option
	base           event.Position    // of the last event before first
}

// block is a piece of the history. The hub appends under its lock, and never changes an event:
// a slice of the events that was taken under the lock may be read without it.
type block struct {
	first       uint64 // offset of its first event
	bytesBefore uint64 // bytes of the main log before it
	bytes       int    // of payload
	events      []storedEvent
	next        *block               // set when this block is complete
	keys        [feeders][][]keyPair // of the columns of each feeder's index; only this feeder
	memo        [feeders]*memo       // results of each feeder; only this feeder
}

// storedEvent is an event of the history. Its payload is a slice of the main log.
type storedEvent struct {
	event.Event
	namedPosition string
	channels      []string // by the option channels; nil if that is not set
	oldChannels   []string // of the old row; nil if there is none
	chunk         *chunk   // of the main log
	from, to      int      // of its frame in chunk
	bytesBefore   uint64   // of the main log before it
}

// cursor is a place between two events.
type cursor struct {
	block *block
	index int // number of events of block before it
}

// newHistory returns an empty history; named enables named positions.
func newHistory(named bool) history {
	h := history{first: 1, next: 1, blocks: []*block{{first: 1}}}
	if named {
		h.namedPositions = map[string]uint64{}
	}
	return h
}

// add appends an event.
func (h *history) add(p storedEvent) {
	last := h.blocks[len(h.blocks)-1]
	if len(last.events) == blockEvents || last.bytes >= blockBytes {
		last.next = &block{first: h.next, bytesBefore: p.bytesBefore}
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

// trim removes the events up to an offset.
func (h *history) trim(upTo uint64) {
	if h.namedPositions != nil {
		for offset := h.first; offset <= upTo && offset < h.next; offset++ {
			if place := h.at(offset).namedPosition; place != "" && h.namedPositions[place] == offset {
				delete(h.namedPositions, place)
			}
		}
	}
	if first := max(h.first, min(upTo+1, h.next)); first > h.first {
		h.base, h.first = h.at(first-1).Position, first
	}
	n := 0
	for n < len(h.blocks)-1 && h.blocks[n+1].first <= h.first {
		n++
	}
	clear(h.blocks[:n])
	h.blocks = h.blocks[n:]
}

// seek returns the cursor before the event with an offset. The offset must be from first to next.
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

// at returns the event with an offset, which the history must hold.
func (h *history) at(offset uint64) *storedEvent {
	c := h.seek(offset)
	return &c.block.events[c.index]
}

// conflationKey returns the key by which the message with an offset is conflated, and false if
// the history does not hold it. An event that spans keys gets a unique key: a newer event of its
// key does not replace its effect on the other key, or on the table.
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

// following returns the events behind the cursor that are in one block, and moves the cursor to
// that block. It needs the hub's lock; reading the events does not.
func (c *cursor) following() []storedEvent {
	for c.index == len(c.block.events) && c.block.next != nil {
		*c = cursor{block: c.block.next}
	}
	n := len(c.block.events)
	return c.block.events[c.index:n:n]
}

// offset returns the offset of the event behind the cursor.
func (c *cursor) offset() uint64 { return c.block.first + uint64(c.index) }
