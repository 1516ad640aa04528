package letters

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Deliver sends a letter to a place, as router.Router.Replay does. It calls settled once if it returns nil.
type Deliver func(ctx context.Context, l *Letter, to string, settled func(error)) error

// Replays sends letters again, one replay after the other.
type Replays struct {
	letters Collection
	deliver Deliver
	begin   chan *Replay

	mu     sync.Mutex
	list   []*Replay       // the latest, the oldest first
	last   int             // number of the latest one
	queued map[uint64]bool // letters that were sent, and are not settled
	open   bool            // Run runs

	outcomesMu sync.Mutex
	outcomes   []outcome     // not recorded yet
	wake       chan struct{} // there are outcomes
	stop       chan struct{} // closed by Close
	stopped    chan struct{} // closed when all are recorded
}

// NewReplays returns the Replays of the letters of c.
func NewReplays(c Collection, deliver Deliver) *Replays {
	return &Replays{
		letters: c, deliver: deliver, begin: make(chan *Replay, 1), queued: map[uint64]bool{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// The errors of Replays.
var (
	ErrBusy       = errors.New("another replay is under way: wait for its end, or cancel it")
	ErrNoReplay   = errors.New("there is no such replay, or not any more: list the latest replays")
	ErrNotRunning = errors.New("the gateway is starting or stopping: try again later")
)

// Start begins a replay.
func (r *Replays) Start(q ReplayRequest) (ReplayState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		return ReplayState{}, ErrNotRunning
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

// State returns the present state of a replay.
func (r *Replays) State(id int) (ReplayState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(id)
	if p == nil {
		return ReplayState{}, ErrNoReplay
	}
	return p.state(), nil
}

// Wait waits until all letters of a replay are delivered or have failed, or ctx ends. It returns the state of the replay.
func (r *Replays) Wait(ctx context.Context, id int) (ReplayState, error) {
	for {
		r.mu.Lock()
		p := r.find(id)
		if p == nil {
			r.mu.Unlock()
			return ReplayState{}, ErrNoReplay
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
		return ReplayState{}, ErrNoReplay
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

// Run runs replays until ctx ends. Call Close after it.
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

const (
	maxReplays  = 20   // whose state is available
	maxFailures = 100  // of a replay, whose reasons are available
	maxUnderway = 1000 // letters of a replay that were sent and are not settled
)
