package exec

import (
	"context"
	"errors"
	"strconv"
	"time"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

// reader emits the batches of a process. Its method line is called in the goroutine that reads the output.
type reader struct {
	source  *source
	ctx     context.Context // ends before Run does
	out     plugin.Output
	tracker *inflight.PositionTracker[position]
	seq     uint64        // of the last batch
	state   []byte        // behind the last batch
	open    chan struct{} // closed when the output is ready
	room    chan struct{} // holds a value when fewer events than in_flight are in flight
}

// line handles a line of output.
func (r *reader) line(text []byte) error {
	select {
	case <-r.open:
	case <-r.ctx.Done():
		return nil
	}
	m, err := childproc.Parse(text)
	switch {
	case err != nil:
		return err
	case m.Gap != nil:
		r.out.Gap(*m.Gap)
		return nil
	case m.Warning != nil:
		r.out.ReportError(errors.New(*m.Warning))
		return nil
	case m.Emit == nil:
		return childproc.Violation("a source has answered a batch: write emit, gap or warning")
	}
	return r.emit(m)
}

func (r *reader) emit(m childproc.Message) error {
	n := *m.Emit
	switch {
	case n <= r.seq:
		return childproc.Violation("batch %d comes after batch %d: number batches from 1 on, each with a higher number", n, r.seq)
	case len(m.State) > maxState:
		return childproc.Violation("the state of batch %d has %d bytes: store at most %d", n, len(m.State), maxState)
	}
	now := time.Now()
	made := make([]event.Event, len(m.Events))
	batch := event.Batch{Events: make([]*event.Event, len(m.Events))}
	for i := range m.Events {
		e := &made[i]
		e.Source, e.Channel, e.Time = r.source.name, "exec", now
		payload, err := m.Events[i].Apply(e)
		if err != nil || !payload || m.Events[i].Of != nil {
			return childproc.Violation("the event %d of batch %d has no data, or has of: write data", i, n)
		}
		batch.Events[i] = e
	}
	r.seq = n
	if m.State != nil {
		r.state = m.State
	}
	if !r.source.opts.Acks {
		if len(made) > 0 && r.out.Emit(r.ctx, batch) == nil {
			r.source.program.Progress()
		}
		return nil
	}
	if !r.awaitRoom() {
		return nil
	}
	ack := r.tracker.Add(position{n, r.state}, len(made))
	if len(made) == 0 { // a batch without events stores its state
		ack.Settle(nil)
		return nil
	}
	batch.Ack = ack
	_ = r.out.Emit(r.ctx, batch) // an error is that of the context, which ends the Run
	return nil
}

// awaitRoom waits until fewer events than in_flight are in flight. It reports false when the Run ends.
func (r *reader) awaitRoom() bool {
	for {
		if n, _ := r.tracker.State(); n < r.source.opts.InFlight && r.ctx.Err() == nil {
			return true
		}
		select {
		case <-r.room:
		case <-r.ctx.Done():
			return false
		}
	}
}

// makeRoom wakes awaitRoom.
func (r *reader) makeRoom() {
	select {
	case r.room <- struct{}{}:
	default:
	}
}

func appendInt(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }
