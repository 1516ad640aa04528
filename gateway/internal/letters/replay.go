package letters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Deliver sends a letter to a place, as router.Router.Replay does.
type Deliver func(ctx context.Context, l *Letter, to string, settled func(error)) error

// Replays sends letters again, one replay after the other.
type Replays struct {
	kept    Kept
	deliver Deliver
	begin   chan *Replay

	mu   sync.Mutex
	list []*Replay       // the latest, the oldest first
	last int             // number of the latest one
	busy map[uint64]bool // letters that are under way
	open bool            // Run runs

	settling sync.Mutex
	settled  []outcome     // not recorded yet
	wake     chan struct{} // there are some
	stop     chan struct{} // closed by Close
	stopped  chan struct{} // closed when all are recorded
}

// outcome is what has become of a letter.
type outcome struct {
	replay *Replay
	number uint64
	err    error  // nil: it was delivered
	done   func() // is called when it is recorded
}

// maxReplays is how many replays are remembered, and maxFailures how many failures of each.
const (
	maxReplays  = 20
	maxFailures = 100
	maxUnderway = 1000 // letters of a replay
)

// NewReplays returns the Replays of where letters are kept.
func NewReplays(kept Kept, deliver Deliver) *Replays {
	return &Replays{
		kept: kept, deliver: deliver, begin: make(chan *Replay, 1), busy: map[uint64]bool{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// ReplayRequest says which letters are sent again, and how.
type ReplayRequest struct {
	Query Query
	To    string // "sink NAME" or "route NAME"; "" is where each has failed
	Rate  float64
	Edit  *Payload // the payload that replaces that of a single letter
}

// Replay is one replay. Its exported fields are those of its latest state.
type Replay struct {
	ReplayState
	request ReplayRequest
	cancel  context.CancelFunc
	changed chan struct{} // closed with the next change
}

// ReplayState is the state of a replay.
type ReplayState struct {
	ID        int        `json:"id"`
	To        string     `json:"to,omitempty"`
	Rate      float64    `json:"rate,omitempty"` // letters per second; 0: no limit
	Started   time.Time  `json:"started"`
	Ended     *time.Time `json:"ended,omitempty"` // nil: it goes on
	Sent      int        `json:"sent"`
	Delivered int        `json:"delivered"` // and removed
	Failed    int        `json:"failed"`    // again: the letter stays
	Queued    int        `json:"queued"`    // sent, and neither delivered nor failed yet
	Failures  []Failed   `json:"failures"`  // the first ones
	Canceled  bool       `json:"canceled,omitempty"`
	Error     string     `json:"error,omitempty"` // why it has ended early
}

// Failed is a letter that has failed again.
type Failed struct {
	Number uint64 `json:"number"`
	Reason string `json:"reason"`
}

// ErrBusy is the error for a replay while another one runs.
var ErrBusy = errors.New("another replay is under way: wait for its end, or cancel it")

// Start begins a replay.
func (r *Replays) Start(q ReplayRequest) (ReplayState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		return ReplayState{}, errors.New("the gateway is starting or stopping: try again later")
	}
	if n := len(r.list); n > 0 && r.list[n-1].Ended == nil {
		return ReplayState{}, ErrBusy
	}
	r.last++
	p := &Replay{ReplayState: ReplayState{ID: r.last, To: q.To, Rate: q.Rate, Started: time.Now(), Failures: []Failed{}}, request: q, changed: make(chan struct{})}
	r.list = append(r.list, p)
	if len(r.list) > maxReplays {
		r.list = r.list[1:]
	}
	r.begin <- p
	return p.ReplayState, nil
}

// List returns the latest replays, the oldest first.
func (r *Replays) List() []ReplayState {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []ReplayState{}
	for _, p := range r.list {
		list = append(list, p.state())
	}
	return list
}

func (p *Replay) state() ReplayState {
	s := p.ReplayState
	s.Failures = append([]Failed{}, p.Failures...)
	return s
}

// Wait returns the state of a replay when all its letters are delivered or have failed, or ctx ends.
func (r *Replays) Wait(ctx context.Context, id int) (ReplayState, error) {
	for {
		r.mu.Lock()
		p := r.find(id)
		if p == nil {
			r.mu.Unlock()
			return ReplayState{}, fmt.Errorf("there is no replay %d", id)
		}
		s, changed := p.state(), p.changed
		r.mu.Unlock()
		if s.Ended != nil && s.Queued == 0 {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, nil
		}
	}
}

// Cancel ends a replay. Letters that were sent are delivered or fail nevertheless.
func (r *Replays) Cancel(id int) (ReplayState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(id)
	if p == nil {
		return ReplayState{}, fmt.Errorf("there is no replay %d", id)
	}
	if p.Ended == nil {
		p.Canceled = true
		if p.cancel != nil {
			p.cancel()
		}
	}
	return p.state(), nil
}

func (r *Replays) find(id int) *Replay {
	for _, p := range r.list {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Run runs replays until ctx ends. Close must be called after it.
func (r *Replays) Run(ctx context.Context) {
	go r.record()
	r.setOpen(true)
	defer r.setOpen(false)
	for {
		select {
		case p := <-r.begin:
			r.run(ctx, p)
		case <-ctx.Done():
			return
		}
	}
}

func (r *Replays) setOpen(open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = open
}

// Close records what has become of the letters that were settled until now.
func (r *Replays) Close() {
	close(r.stop)
	<-r.stopped
}

// record records what becomes of letters, and removes those that were delivered, until Close is called.
func (r *Replays) record() {
	defer close(r.stopped)
	for last := false; !last; {
		select {
		case <-r.wake:
		case <-r.stop:
			last = true
		}
		r.settling.Lock()
		batch := r.settled
		r.settled = nil
		r.settling.Unlock()
		r.recordBatch(batch)
	}
}

func (r *Replays) recordBatch(batch []outcome) {
	var delivered []uint64
	for _, o := range batch {
		if o.err == nil {
			delivered = append(delivered, o.number)
		}
	}
	var failed error
	if len(delivered) > 0 {
		if _, err := r.kept.Remove(delivered); err != nil {
			failed = fmt.Errorf("delivered, but it cannot be removed: %w", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range batch {
		delete(r.busy, o.number)
		p := o.replay
		p.Queued--
		switch {
		case o.err == nil && failed == nil:
			p.Delivered++
		case o.err == nil:
			p.fail(o.number, failed)
		default:
			p.fail(o.number, o.err)
		}
		p.notify()
		o.done()
	}
}

// settle notes what has become of a letter. It does not block: the lock of a queue may be held.
func (r *Replays) settle(o outcome) {
	r.settling.Lock()
	r.settled = append(r.settled, o)
	r.settling.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run runs one replay: it sends the letters, the oldest first, and removes those that are delivered.
func (r *Replays) run(ctx context.Context, p *Replay) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	p.cancel = cancel
	if p.Canceled {
		cancel()
	}
	r.mu.Unlock()
	err := r.send(ctx, p)
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Ended = new(time.Now())
	if err != nil && ctx.Err() == nil {
		p.Error = err.Error()
	}
	p.notify()
}

// notify wakes those that wait for a change. It needs the lock.
func (p *Replay) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (r *Replays) send(ctx context.Context, p *Replay) error {
	numbers, err := r.numbers(ctx, p.request.Query)
	if err != nil {
		return err
	}
	var limit *rate.Limiter
	if p.request.Rate > 0 {
		limit = rate.NewLimiter(rate.Limit(p.request.Rate), 1)
	}
	underway := make(chan struct{}, maxUnderway)
	for _, n := range numbers {
		if limit != nil && limit.Wait(ctx) != nil {
			return ctx.Err()
		}
		select {
		case underway <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !r.sendOne(ctx, p, n, func() { <-underway }) {
			<-underway
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// sendOne sends a letter, unless it is gone or under way. done is called once if it was sent, when it is delivered or has failed.
func (r *Replays) sendOne(ctx context.Context, p *Replay, number uint64, done func()) (sent bool) {
	l, err := r.kept.Get(number)
	if err != nil {
		return false // it was removed meanwhile
	}
	if p.request.Edit != nil {
		l.Data = *p.request.Edit
	}
	r.mu.Lock()
	if r.busy[number] {
		p.fail(number, errors.New("an earlier replay has sent it, and it is still queued"))
		r.mu.Unlock()
		return false
	}
	r.busy[number] = true
	p.Sent++
	p.Queued++
	r.mu.Unlock()
	settled := func(err error) { r.settle(outcome{p, number, err, done}) }
	if err := r.deliver(ctx, &l, p.request.To, settled); err != nil {
		settled(err)
	}
	return true
}

// fail counts a letter that has failed. It needs the lock.
func (p *Replay) fail(number uint64, err error) {
	p.Failed++
	if len(p.Failures) < maxFailures {
		p.Failures = append(p.Failures, Failed{number, err.Error()})
	}
}

// numbers returns the numbers of all letters that match now, the oldest first.
func (r *Replays) numbers(ctx context.Context, q Query) (all []uint64, err error) {
	q.Limit = MaxLimit
	for {
		page, err := r.kept.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range slices.Backward(page.Letters) {
			all = append(all, page.Letters[i].Number)
		}
		if page.Next == 0 {
			slices.Reverse(all)
			return all, nil
		}
		q.Before = page.Next
	}
}
