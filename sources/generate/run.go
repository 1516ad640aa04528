package generate

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

const (
	maxBatch     = 512                    // events in one Emit
	saveInterval = 100 * time.Millisecond // between two writes of the position
)

// Run is part of [plugin.Source]. It ends after a nack, and the next run resumes at the position
// before which everything is acked.
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	if err := s.load(); err != nil {
		return err
	}
	next := s.tracker.Acked()
	s.tracker = inflight.NewPositionTracker(next) // acks of an earlier run do not count: its events are made again
	out.Ready()
	pace := pace{rate: s.opts.Rate, begin: time.Now(), first: next}
	saveTicker := time.NewTicker(saveInterval)
	defer saveTicker.Stop()
	for {
		outstanding, failed := s.tracker.State()
		if failed != nil {
			return failed
		}
		n, wake := s.due(next, outstanding, pace)
		if n > 0 {
			batch, err := s.make(next, n)
			if err != nil {
				return err
			}
			next += int64(n)
			if err := out.Emit(ctx, event.Batch{Events: batch, Ack: s.tracker.Add(next, n)}); err != nil {
				return plugin.UnlessDone(ctx, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-saveTicker.C:
			if err := s.savePosition(); err != nil {
				return err
			}
		case <-s.tracker.Changed:
		case <-wake:
		}
	}
}

// now is a closed channel: a receive from it never blocks.
var now = func() <-chan time.Time { c := make(chan time.Time); close(c); return c }()

// due returns how many events to emit, and a channel that receives when more may be due; nil: not
// before an ack.
func (s *source) due(next int64, outstanding int, p pace) (n int, wake <-chan time.Time) {
	limit := min(maxBatch, s.opts.InFlight-outstanding)
	if s.opts.Count > 0 {
		limit = min(limit, s.opts.Count-int(next))
	}
	if limit <= 0 {
		return 0, nil
	}
	n, wait := p.due(next)
	if n > 0 {
		return min(n, limit), now
	}
	return 0, time.After(wait)
}

// pace computes when events are due.
type pace struct {
	rate  int
	begin time.Time
	first int64 // the number that is due at begin
}

// due returns how many events are due from number next on, or else how long to wait.
func (p pace) due(next int64) (n int, wait time.Duration) {
	if p.rate == 0 {
		return maxBatch, 0
	}
	elapsed, rate := time.Since(p.begin), time.Duration(p.rate)
	// Integers, for with floating point a wait may be rounded to 0.
	until := p.first + int64(elapsed/time.Second*rate+elapsed%time.Second*rate/time.Second) + 1
	if until > next {
		return int(min(until-next, maxBatch)), 0
	}
	k := time.Duration(next - p.first)
	at := k/rate*time.Second + (k%rate*time.Second+rate-1)/rate // rounded up
	return 0, at - elapsed
}

// make makes n events from number on.
func (s *source) make(number int64, n int) ([]*event.Event, error) {
	batch := make([]*event.Event, 0, n)
	for ; n > 0; n-- {
		digits := strconv.FormatInt(number, 10)
		e := &event.Event{
			ID: s.name + "-" + digits, Source: s.name, Channel: "generate", Time: time.Now(),
			Data: s.payload(digits),
		}
		if !s.opts.Template.IsZero() {
			data, err := s.eval.Append(nil, s.opts.Template, e)
			if err != nil {
				return nil, err
			}
			e.Data = data
		}
		batch = append(batch, e)
		number++
	}
	return batch, nil
}

// payload returns {"number":digits}, padded to the option size.
func (s *source) payload(digits string) []byte {
	data := make([]byte, 0, max(len(`{"number":}`)+len(digits), int(s.opts.Size)))
	data = append(append(data, `{"number":`...), digits...)
	if n := int(s.opts.Size) - len(data) - len(`,"padding":""}`); n > 0 {
		data = append(data, `,"padding":"`...)
		data = append(append(data, bytes.Repeat([]byte("x"), n)...), '"')
	}
	return append(data, '}')
}
