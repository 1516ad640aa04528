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
	fewEntries = 16                    // in the first read: they may be large
	maxEntries = 500                   // in one read
	muchAtOnce = 4 << 20               // bytes, beyond which the next read is smaller
	maxWait    = 2 * time.Second       // for news; less than the time that an answer may take
	saveEvery  = 50 * time.Millisecond // between two saves, and
	saveShare  = 10                    // times as long as the latest took
)

// form is one of the two ways to read.
type form interface {
	// begin takes over from whoever has read under the same name before. It returns
	// why entries may have been missed, or "".
	begin(ctx context.Context) (missed string, err error)
	// read waits for entries, but not for long.
	read(ctx context.Context) (page, error)
	// alive shows others that this reader lives. It and save may be called while read is.
	alive(ctx context.Context) error
	// emit hands entries over; refused is why they must not be delivered.
	emit(ctx context.Context, out plugin.Output, entries []entry, refused error) error
	// flying returns how many events are not settled, how many were, and the error with which one
	// was given back; settled gets a value when that has changed.
	flying() (events int, done uint64, failed error)
	settled() <-chan struct{}
	// save stores what was acked, where unsaved says that there is something.
	save(ctx context.Context) error
	unsaved() bool
}

// place is behind an entry. number says how many entries the stream has had up to it, -1
// where that is not known.
type place struct {
	id     string
	number int64
	read   bool // the entry was read: it was in the stream
}

// page is what was read.
type page struct {
	entries []entry
	refused []entry // delivered too often
	missed  string  // why entries may be missing before these, or ""
	more    bool    // there may be more at once
}

// reader is one Run.
type reader struct {
	s      *source
	client redis.UniversalClient
	form   form
	room   chan struct{}      // gets a value when there may be room for more
	end    context.CancelFunc // of the run, when failure is set

	mu      sync.Mutex
	failure error // why keep has ended it
}

// errTakenOver is what a run ends with whose name another one reads under.
var errTakenOver = errors.New("another gateway has taken over: it reads under the same name or consumer; give it another one, or both a leader")

// Run is part of [plugin.Source].
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	client := s.Config.NewClient()
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })() // a context does not end a read under way
	r := &reader{s: s, client: client, room: make(chan struct{}, 1)}
	if before := s.last; before != nil { // what was acked when it had ended
		before.client = client
		if err := before.save(ctx); err != nil && !errors.Is(err, errMoved) {
			return plugin.UnlessDone(ctx, err)
		}
	}
	if s.opts.Group != "" {
		r.form = newGroup(r)
	} else {
		r.form = newFanout(r)
	}
	missed, err := r.form.begin(ctx)
	if err != nil {
		return plugin.UnlessDone(ctx, s.wrap(err))
	}
	s.last = r
	if missed != "" {
		out.Gap(missed)
	}
	defer s.lag.MarkStale()
	out.Ready()
	running, end := context.WithCancel(ctx)
	defer end()
	r.end = end
	keeping, stop := context.WithCancel(ctx)
	kept := make(chan struct{})
	plugin.Go(func() error { return r.keep(keeping) }, func(err error) { r.fail(err); close(kept) })
	err = r.run(running, out)
	stop()
	<-kept
	s.again = false
	var back *undone
	if errors.As(err, &back) {
		out.Gap(back.Error())
		s.last, s.newest, s.again = nil, "", true // nothing of what it remembers goes into the other history
	}
	return plugin.UnlessDone(ctx, err)
}

// Campaign is part of [plugin.Elector]. While another gateway leads, that one measures the lag.
func (s *source) Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (plugin.Leadership, error) {
	return s.Elector.Campaign(ctx, name, above, func(holder string) {
		s.lag.Reset()
		standby(holder)
	})
}

func (r *reader) run(ctx context.Context, out plugin.Output) error {
	stands := inflight.StallDetector{After: r.s.stallAfter}
	defer stands.Clear(out)
	for ctx.Err() == nil {
		if waiting, done, _ := r.form.flying(); waiting >= r.s.opts.InFlight { // the routes are behind
			stands.Check(out, done, waiting)
			if err := r.await(ctx, r.s.stallAfter); err != nil {
				return err
			}
			continue
		}
		stands.Clear(out)
		p, err := r.form.read(ctx)
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() { // too much for the time that there is
			r.s.count = max(r.s.count/4, 1)
		}
		if err != nil {
			return r.reason(err)
		}
		if p.missed != "" {
			out.Gap(p.missed)
		}
		if err := r.form.emit(ctx, out, p.refused, fmt.Errorf("it was delivered more than max_deliveries (%d) times and never acked", r.s.opts.MaxDeliveries)); err != nil {
			return r.reason(err)
		}
		if err := r.form.emit(ctx, out, p.entries, nil); err != nil {
			return r.reason(err)
		}
		age := 0.0
		if p.more && len(p.entries) > 0 {
			age = time.Since(p.entries[len(p.entries)-1].at()).Seconds()
		}
		r.s.lag.Set(max(age, 0))
	}
	return r.reason(ctx.Err())
}

// keep stores what was acked, shows that the reader lives, and ends it where a batch was
// given back, by an error. The reader itself may be waiting for news, or for the routes.
func (r *reader) keep(ctx context.Context) error {
	pulse, pause := time.NewTicker(r.wait()), time.NewTicker(saveEvery)
	defer pulse.Stop()
	defer pause.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-pulse.C:
			err = r.form.alive(ctx)
		case <-r.form.settled():
			select {
			case r.room <- struct{}{}:
			default:
			}
			if _, _, err = r.form.flying(); err == nil {
				begin := time.Now()
				err = r.form.save(ctx)
				pause.Reset(max(saveEvery, saveShare*time.Since(begin)))
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// fail ends the reader where keep has returned an error: it may be waiting for news, or for the routes.
func (r *reader) fail(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	r.failure = err
	r.mu.Unlock()
	r.end()
	r.client.Close()
}

// reason returns why the reader has ended where its connection says err.
func (r *reader) reason(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		err = r.failure
	}
	return r.s.wrap(err)
}

func (r *reader) save(ctx context.Context) error { return r.s.wrap(r.form.save(ctx)) }

// await waits for room, but not for longer than a time.
func (r *reader) await(ctx context.Context, most time.Duration) error {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-r.room:
		return nil
	case <-t.C:
		return nil
	case <-ctx.Done():
		return r.reason(ctx.Err())
	}
}

// wait is how long to wait for news: a reader of which others hear nothing for
// claim_after is dead to them.
func (r *reader) wait() time.Duration { return min(maxWait, r.s.opts.ClaimAfter.D()/4) }

func (s *source) wrap(err error) error {
	if err == nil || errors.Is(err, errTakenOver) {
		return err
	}
	wrapped := fmt.Errorf("stream %s at %s: %w", s.opts.Stream, s.opts.URL, err)
	if errors.Is(err, errAnswer) {
		return wrapped
	}
	return redisconn.Unavailable(err, wrapped, redisconn.Command{FixedKeys: true})
}
