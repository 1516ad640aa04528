package exec

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

// saveInterval is the time between two writes of the state, and between the acks that follow them.
const saveInterval = 100 * time.Millisecond

// Run is part of [plugin.Source]. It runs one process, until ctx ends, the process ends, or a batch is nacked.
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	state, err := s.load(ctx)
	if err != nil {
		return plugin.UnlessDone(ctx, err)
	}
	s.tracker = inflight.NewPositionTracker(position{state: state}) // acks of an earlier Run do not count
	emitting, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reader{source: s, ctx: emitting, out: out, tracker: s.tracker, state: state, open: make(chan struct{}), room: make(chan struct{}, 1)}
	var extra []childproc.Extra
	if s.opts.Acks {
		extra = append(extra, childproc.Extra{Name: "credit", JSON: appendInt(s.opts.InFlight)})
	}
	if state != nil {
		extra = append(extra, childproc.Extra{Name: "state", JSON: state})
	}
	process, err := s.program.Start(ctx, r.line, extra...)
	if err != nil {
		return plugin.UnlessDone(ctx, err)
	}
	acks := newAckWriter(process)
	out.Ready()
	close(r.open)
	err = s.follow(ctx, out, process, r, acks)
	cancel()
	acks.finish(s.opts.StopTimeout.D())
	_ = process.StopSource(context.WithoutCancel(ctx)) // batches that it still emits are ignored
	acks.wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow stores the states of acked batches and acks these, until ctx ends or the Run fails. It returns the error of the Run.
func (s *source) follow(ctx context.Context, out plugin.Output, process *childproc.Process, r *reader, acks *ackWriter) error {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	stall := inflight.StallDetector{After: inflight.StallAfter}
	var acked uint64 // the number of the last batch that was acked to the process
	var last time.Time
	for ending := false; !ending; {
		select {
		case <-ctx.Done():
			ending = true
		case <-process.Done():
			return plugin.Unavailable(process.Err())
		case <-s.tracker.Changed:
		case <-tick.C:
		}
		outstanding, nacked := s.tracker.State()
		if outstanding < s.opts.InFlight {
			r.makeRoom()
			stall.Clear(out)
		} else {
			stall.Check(out, s.tracker.AckedEvents(), outstanding)
		}
		at := s.tracker.Acked()
		if at.seq != acked && (at.state == nil || nacked != nil || ending || time.Since(last) >= saveInterval) {
			if err := s.save(context.WithoutCancel(ctx), at.state); err != nil {
				return err
			}
			acked, last = at.seq, time.Now()
			s.program.Progress()
			acks.ack(at.seq, max(0, s.opts.InFlight-outstanding))
		}
		if nacked != nil {
			first, _ := s.tracker.First(func(position) bool { return true })
			acks.nack(first.seq, errors.Unwrap(nacked))
			return nacked
		}
	}
	return nil
}
