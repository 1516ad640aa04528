package postgreswal

import (
	"context"
	"sync"
)

// maxPipeBytes bounds the messages that were received and not yet taken.
const maxPipeBytes = 16 << 20

// wakeBytes is how much of an open transaction is received before the reader wakes.
const wakeBytes = 16 << 10

// message is one message of the stream: one of pgoutput, or a keepalive, which has no data.
type message struct {
	lsn  uint64 // where it begins, 0 if it was spooled; of a keepalive: everything before it was sent
	data []byte // a message of pgoutput; nil: a keepalive
}

func (m message) isKeepalive() bool { return m.data == nil }

// isFollowed reports whether the end of the transaction must follow. Such a message need not wake the reader, which costs more than the
// message itself.
func (m message) isFollowed() bool {
	if m.isKeepalive() {
		return false
	}
	switch m.data[0] {
	case 'B', 'O', 'R', 'Y', 'I', 'U', 'D', 'T':
		return true
	}
	return false
}

// pipe passes messages from one receiver to one reader, in memory.
type pipe struct {
	arrived chan struct{} // holds a value after messages were put, or the pipe was closed; its capacity is 1
	room    chan struct{} // holds a value after messages were taken; its capacity is 1

	mu       sync.Mutex
	messages []message
	bytes    int
	blocked  bool // the receiver waits for room
	closed   bool
	err      error // why it was closed
}

func newPipe() *pipe {
	return &pipe{arrived: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put appends a message. It blocks while the pipe is full. A keepalive replaces a keepalive at the end of the pipe.
func (p *pipe) put(ctx context.Context, m message) error {
	for {
		p.mu.Lock()
		if p.bytes < maxPipeBytes {
			if n := len(p.messages); m.isKeepalive() && n > 0 && p.messages[n-1].isKeepalive() {
				p.messages[n-1] = m
			} else {
				p.messages = append(p.messages, m)
				p.bytes += len(m.data)
			}
			p.blocked = false
			wake := !m.isFollowed() || p.bytes >= wakeBytes
			p.mu.Unlock()
			if wake {
				signal(p.arrived)
			}
			return nil
		}
		p.blocked = true
		p.mu.Unlock()
		select {
		case <-p.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take returns all messages. It uses the memory of reuse for later ones. It returns an error if the pipe is
// closed and has no messages.
func (p *pipe) take(reuse []message) ([]message, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.messages
	if len(taken) == 0 {
		if p.closed {
			return nil, p.err
		}
		return nil, nil
	}
	p.messages, p.bytes = reuse[:0], 0
	signal(p.room)
	return taken, nil
}

// isBlocked reports whether the receiver waits for room, and so receives nothing.
func (p *pipe) isBlocked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blocked
}

// close makes take return err after the messages. Only the first call has an effect.
func (p *pipe) close(err error) {
	p.mu.Lock()
	if !p.closed {
		p.closed, p.err = true, err
	}
	p.mu.Unlock()
	signal(p.arrived)
}

// signal puts a value into a channel of capacity 1, unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
