package childproc

import (
	"context"
	"errors"
	"sync/atomic"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Dialogue sends batches to a program and gets the answers, with one process after the other. It is not safe for concurrent use.
type Dialogue struct {
	program *Program
	closed  bool
	process *Process // nil: there is none
	replies chan Message
	pending *atomic.Uint64 // the number of the batch under way; 0: none
	seq     uint64
	line    []byte // scratch
}

// NewDialogue returns a dialogue with the program of a sink or a transform. It starts nothing.
func NewDialogue(p *Program) *Dialogue { return &Dialogue{program: p} }

// Program returns the program.
func (d *Dialogue) Program() *Program { return d.program }

var errClosed = errors.New("the component was closed")

// Open starts a process if none runs. Its errors are marked by [plugin.Unavailable].
func (d *Dialogue) Open(ctx context.Context) error {
	if d.closed {
		return plugin.Unavailable(errClosed)
	}
	if d.process != nil && d.process.Err() == nil {
		return nil
	}
	replies, pending := make(chan Message, 1), &atomic.Uint64{}
	kind := d.program.kind
	process, err := d.program.Start(ctx, func(line []byte) error { return receive(kind, line, pending, replies) })
	if err != nil {
		return err
	}
	d.process, d.replies, d.pending = process, replies, pending
	return nil
}

// receive checks an answer, and sends it to replies. It is called in the goroutine that reads the output.
func receive(kind plugin.Kind, line []byte, pending *atomic.Uint64, replies chan<- Message) error {
	m, err := Parse(line)
	if err != nil {
		return err
	}
	n := m.Ack
	if n == nil {
		n = m.Nack
	}
	switch {
	case n == nil:
		return Violation("it has written a line that is no answer: a %s writes one ack or nack for each batch", kind)
	case m.State != nil, m.Events != nil && (kind != plugin.KindTransform || m.Nack != nil):
		return Violation("the answer to batch %d has events or a state: leave them out", *n)
	case *n == 0 || !pending.CompareAndSwap(*n, 0):
		return Violation("it has answered batch %d, which was not sent, or was answered before: answer each batch once", *n)
	}
	replies <- m // there is room, because one batch is under way
	return nil
}

// Encode makes the next line and returns the number of its events; 0 if the first event does not fit. An event for which alone reports
// true has a line of its own. Other events share a line as far as they fit.
func (d *Dialogue) Encode(events []*event.Event, alone func(*event.Event) bool) (n int) {
	d.seq++
	d.line = AppendBatch(d.line[:0], d.seq)
	for n < len(events) {
		single := alone(events[n])
		if single && n > 0 {
			break
		}
		before := len(d.line)
		d.line = AppendEvent(d.line, events[n], n == 0)
		if len(d.line)+len("]}\n") > d.program.MaxLine() {
			d.line = d.line[:before]
			break
		}
		n++
		if single {
			break
		}
	}
	d.line = EndBatch(d.line)
	return n
}

// Exchange sends the line, and waits for the answer until ctx ends. After an error the process has ended.
func (d *Dialogue) Exchange(ctx context.Context) (Message, error) {
	d.pending.Store(d.seq)
	if err := d.process.Write(ctx, d.line); err != nil {
		if d.process.Err() == nil { // the context has ended
			err = d.process.Kill("read a batch")
		}
		return Message{}, err
	}
	select {
	case m := <-d.replies:
		return m, nil
	case <-d.process.Done():
		select {
		case m := <-d.replies: // it has answered before it ended
			return m, nil
		default:
			return Message{}, d.process.Err()
		}
	case <-ctx.Done():
		return Message{}, d.process.Kill("answered a batch")
	}
}

// Send writes a line to which the program does not answer. Its errors are marked by [plugin.Unavailable].
func (d *Dialogue) Send(ctx context.Context, line []byte) error {
	if err := d.process.Write(ctx, line); err != nil {
		return plugin.Unavailable(err)
	}
	return nil
}

// Refuse kills the process for an answer that violates the protocol, and returns why it has ended.
func (d *Dialogue) Refuse(violation error) error { return d.process.Refuse(violation) }

// Err returns why the process has ended; nil while it runs, or if there is none.
func (d *Dialogue) Err() error {
	if d.process == nil {
		return nil
	}
	return d.process.Err()
}

// Close ends the process. After it, Open returns an error.
func (d *Dialogue) Close(ctx context.Context) error {
	d.closed = true
	if d.process == nil {
		return nil
	}
	p := d.process
	d.process = nil
	return p.Stop(ctx)
}
