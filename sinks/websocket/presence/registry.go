package presence

import (
	"context"
	"sync"
	"time"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Bounds of one pass of Registry.run.
const (
	passPause = 50 * time.Millisecond // between two passes
	passStep  = 256                   // channels or departures for which the lock is held
)

// Config configures a registry, beside its options.
type Config struct {
	// Encode returns a message, a JSON object, as Member.AppendMessages appends it.
	Encode func(text []byte) []byte
	Env    plugin.Env // of the sink
}

// Registry counts the clients on the channels of a node.
type Registry struct {
	opts   Options
	encode func([]byte) []byte
	env    plugin.Env
	share  *share // nil without Redis
	wakeup chan struct{}
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	begun  sync.Once
	ended  sync.WaitGroup // goroutines

	mu         sync.Mutex // guards what follows
	channels   map[string]*channel
	departures departures
	changed    []*channel // to compare with what is shown
	bytes      int        // memory, estimated

	// With a share only.
	byID    map[channelID]*channel
	stores  bool       // the share is connected
	loads   bool       // and the other nodes have had time to store their counts
	partial bool       // the counts of other nodes are as they were last known
	toStore []*channel // counts to store
	toLoad  []*channel // counts to read
}

// New returns a registry without clients. It connects to Redis when the first client is on a channel. Its error is a
// plugin.OptionError, or that of the metrics.
func New(o Options, c Config) (*Registry, error) {
	r := &Registry{opts: o, encode: c.Encode, env: c.Env, wakeup: make(chan struct{}, 1), channels: map[string]*channel{}, byID: map[channelID]*channel{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	if !o.Redis.IsZero() {
		conn, err := redisconn.ParseOptions("redis", o.Redis, o.TLS)
		if err != nil {
			return nil, err
		}
		r.share = newShare(r, conn, c.Env.Log)
	}
	return r, r.register(c.Env.Metrics)
}

// begin starts the goroutines, once.
func (r *Registry) begin() {
	r.begun.Do(func() {
		r.ended.Add(1)
		r.env.Go(func(context.Context) { defer r.ended.Done(); r.run() })
		if r.share != nil {
			r.ended.Add(1)
			r.env.Go(func(context.Context) { defer r.ended.Done(); r.share.run(r.ctx) })
		}
	})
}

// Close ends the registry. It takes little more than a second at most. The counts of this node linger at other nodes.
func (r *Registry) Close(ctx context.Context) {
	r.begun.Do(func() {}) // no goroutine starts any more
	r.cancel()
	if r.share == nil {
		r.ended.Wait()
		return
	}
	ended := make(chan struct{})
	r.env.Go(func(context.Context) { defer close(ended); r.ended.Wait() })
	r.share.close(ctx, ended)
}

// Channels returns the number of channels with clients of this node.
func (r *Registry) Channels() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.channels)
}

// wake makes run look for something to do.
func (r *Registry) wake() {
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

// addBytes counts memory.
func (r *Registry) addBytes(n int) { r.bytes += n }

// queue makes run compare the state of a channel with the one that is shown.
func (r *Registry) queue(ch *channel) {
	if !ch.queued {
		ch.queued = true
		r.changed = append(r.changed, ch)
		r.wake()
	}
}

// queueAll is queue for all channels with listeners.
func (r *Registry) queueAll() {
	for _, ch := range r.channels {
		ch.stale = true
		if len(ch.listeners) > 0 {
			r.queue(ch)
		}
	}
}

// run ends the linger of clients, and publishes states, until the registry is closed.
func (r *Registry) run() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for {
		next := r.pass()
		pause.Reset(passPause)
		select {
		case <-r.ctx.Done():
			return
		case <-pause.C:
		}
		if !next.IsZero() {
			pause.Reset(max(0, time.Until(next)))
		}
		select {
		case <-r.ctx.Done():
			return
		case <-r.wakeup:
			pause.Stop()
		case <-pause.C:
		}
	}
}

// pass does what is due, and returns when the next is due; zero: nothing.
func (r *Registry) pass() (next time.Time) {
	now := time.Now()
	for more := true; more; {
		next, more = r.departSome(now)
	}
	r.mu.Lock()
	changed := r.changed
	r.changed = nil
	r.mu.Unlock()
	for len(changed) > 0 {
		n := min(passStep, len(changed))
		if due := r.publishSome(changed[:n], now); next.IsZero() || !due.IsZero() && due.Before(next) {
			next = due
		}
		changed = changed[n:]
	}
	return next
}

// departSome ends the linger of some clients. It returns when the next is due, and whether that is now.
func (r *Registry) departSome(now time.Time) (next time.Time, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next = r.departDue(now, passStep)
	return next, !next.IsZero() && !next.After(now)
}

// publishSome publishes the states of channels that are due, and returns when the next is due; zero: none.
func (r *Registry) publishSome(changed []*channel, now time.Time) (next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ch := range changed {
		due := ch.shown.at.Add(messageInterval)
		switch {
		case len(ch.listeners) == 0, r.share != nil && !ch.loaded && !r.partial: // it is queued again when that changes
			ch.queued = false
		case ch.stale && ch.shown.version > 0 && due.After(now):
			r.changed = append(r.changed, ch)
			if next.IsZero() || due.Before(next) {
				next = due
			}
		default:
			ch.queued = false
			r.publish(ch, now)
		}
	}
	return next
}
