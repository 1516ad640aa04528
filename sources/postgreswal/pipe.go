package postgreswal

import (
	"context"
	"sync"
)

// maxPipeBytes bounds the messages that were received and not yet taken.
const maxPipeBytes = 16 << 20

// wakeBytes is how much of an open transaction is received before the reader wakes.
const wakeBytes = 16 << 10

// message is one message of the stream. A keepalive has no data.
type message struct {
	lsn  uint64 // where it begins; of a keepalive: everything before it was sent
	data []byte // a message of pgoutput
}

func (m message) isKeepalive() bool { return m.data == nil }

// isFollowed reports whether the end of the transaction follows, so that the message alone need not wake the reader. Each wake costs
// more than the message.
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

// pipe passes messages from the receiver to the reader. It is safe for one of each.
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

// put appends a message. It blocks while the pipe is full. A keepalive replaces one that is last.
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

// close has take return err after the messages, and ignores later errors.
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
