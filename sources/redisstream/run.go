package redisstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

const (
	initialCount = 16                    // in the first read: they may be large
	maxEntries   = 500                   // in one read
	targetBytes  = 4 << 20               // of one read: the next one is adapted to it
	maxBlock     = 2 * time.Second       // of a read that waits; shorter than the read timeout
	saveInterval = 50 * time.Millisecond // between two saves, at least
	saveShare    = 10                    // the interval is at least so many times the duration of a save, up to saveMost
	// saveMost bounds the interval: after a save that was slow, as in an outage, heartbeats must go on before other
	// members of the group claim the entries, and acks must be stored.
	saveMost = 2 * time.Second
)

// mode is one of the two ways to read: [fanout] and [group].
type mode interface {
	// begin takes over from an earlier reader of the same name. It returns the reason of a gap,
	// or "".
	begin(ctx context.Context) (gap string, err error)
	// read waits for entries, for [reader.blockTime] at most.
	read(ctx context.Context) (page, error)
	// heartbeat shows other consumers that this reader is active. It and save may be called
	// during read.
	heartbeat(ctx context.Context) error
	// emit emits entries; refused is why they go to the dead letters, or nil.
	emit(ctx context.Context, out plugin.Output, entries []entry, refused error) error
	// inFlight returns the number of events that are not settled, the number of acked ones, and
	// the error of a nack. changed gets a value when these change.
	inFlight() (events int, done uint64, failed error)
	changed() <-chan struct{}
	// save stores what was acked; unsaved reports whether there is anything to store.
	save(ctx context.Context) error
	unsaved() bool
}

// page is the result of a read.
type page struct {
	entries []entry
	refused []entry // beyond max_deliveries
	gap     string  // why entries may be missing before these, or ""
	more    bool    // the next read may get more at once
}

// reader is one Run.
type reader struct {
	s      *source
	client redis.UniversalClient
	watch  *redisconn.RoleWatch
	mode   mode
	freed  chan struct{}      // gets a value when an event was settled
	cancel context.CancelFunc // ends the run when failure is set

	mu      sync.Mutex
	failure error // why maintain has ended the run
}

// errTakenOver ends a run when another gateway reads under the same name or consumer.
var errTakenOver = errors.New("another gateway has taken over: it reads under the same name or consumer; give it another one, or configure leader on both")

// Run is part of [plugin.Source].
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	client := s.Config.NewClient()
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })() // a context does not end a read under way
	r := &reader{s: s, client: client, watch: s.Config.NewRoleWatch(client, s.opts.Name != "" || s.opts.Group != "", s.log), freed: make(chan struct{}, 1)}
	if err := r.watch.Begin(ctx); err != nil {
		return plugin.UnlessDone(ctx, s.wrap(err))
	}
	if previous := s.previous; previous != nil { // acks that came after its end
		previous.client = client
		if err := previous.save(ctx); err != nil && !errors.Is(err, errPositionChanged) {
			return plugin.UnlessDone(ctx, err)
		}
	}
	if s.opts.Group != "" {
		r.mode = newGroup(r)
	} else {
		r.mode = newFanout(r)
	}
	gap, err := r.mode.begin(ctx)
	if err != nil {
		return plugin.UnlessDone(ctx, s.wrap(err))
	}
	s.previous = r
	if gap != "" {
		out.Gap(gap)
	}
	defer s.lag.MarkStale()
	out.Ready()
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.cancel = cancel
	maintainCtx, stop := context.WithCancel(ctx)
	maintained := make(chan struct{})
	plugin.Go(func() error { return r.maintain(maintainCtx) }, func(err error) { r.fail(err); close(maintained) })
	err = r.run(runCtx, out)
	stop()
	<-maintained
	s.historyChanged = false
	var rollback *rolledBack
	if errors.As(err, &rollback) {
		out.Gap(rollback.Error())
		s.previous, s.lastRead, s.historyChanged = nil, "", true // the other history begins without positions
	}
	return plugin.UnlessDone(ctx, err)
}

// Campaign is part of [plugin.Elector]. Only the leader measures the lag.
func (s *source) Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (plugin.Leadership, error) {
	return s.Elector.Campaign(ctx, name, above, func(holder string) {
		s.lag.Reset()
		standby(holder)
	})
}

func (r *reader) run(ctx context.Context, out plugin.Output) error {
	stall := inflight.StallDetector{After: r.s.stallAfter}
	defer stall.Clear(out)
	for ctx.Err() == nil {
		if events, acked, _ := r.mode.inFlight(); events >= r.s.opts.InFlight {
			stall.Check(out, acked, events)
			if err := r.awaitFree(ctx, r.s.stallAfter); err != nil {
				return err
			}
			continue
		}
		stall.Clear(out)
		p, err := r.mode.read(ctx)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() { // the entries may have been too large
			r.s.count = max(r.s.count/4, 1)
		}
		if err != nil {
			return r.runError(err)
		}
		if p.gap != "" {
			out.Gap(p.gap)
		}
		if err := r.mode.emit(ctx, out, p.refused, fmt.Errorf("it was delivered more than max_deliveries (%d) times and never acked", r.s.opts.MaxDeliveries)); err != nil {
			return r.runError(err)
		}
		if err := r.mode.emit(ctx, out, p.entries, nil); err != nil {
			return r.runError(err)
		}
		age := 0.0
		if p.more && len(p.entries) > 0 {
			age = time.Since(p.entries[len(p.entries)-1].appendedAt()).Seconds()
		}
		r.s.lag.Set(max(age, 0))
	}
	return r.runError(ctx.Err())
}

// runError returns why the run has ended: the failure of maintain, or else err.
func (r *reader) runError(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		err = r.failure
	}
	return r.s.wrap(err)
}

func (r *reader) save(ctx context.Context) error { return r.s.wrap(r.mode.save(ctx)) }

// awaitFree waits until an event was settled, for a time at most.
func (r *reader) awaitFree(ctx context.Context, timeout time.Duration) error {
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-r.freed:
		return nil
	case <-t.C:
		return nil
	case <-ctx.Done():
		return r.runError(ctx.Err())
	}
}

// blockTime returns how long a read may wait: after claim_after without a command, other consumers
// take over.
func (r *reader) blockTime() time.Duration { return min(maxBlock, r.s.opts.ClaimAfter.D()/4) }

func (s *source) wrap(err error) error {
	if err == nil || errors.Is(err, errTakenOver) {
		return err
	}
	wrapped := fmt.Errorf("stream %s at %s: %w", s.opts.Stream, s.opts.URL, err)
	if errors.Is(err, errReply) {
		return wrapped
	}
	return redisconn.Unavailable(err, wrapped, redisconn.Command{FixedKeys: true})
}
