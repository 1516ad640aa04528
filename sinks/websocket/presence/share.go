package presence

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
)

// Times of the share. A node that ends without Close counts for lease + renewInterval at most.
const (
	lease         = 8 * time.Second
	renewInterval = 2 * time.Second
	recoveryTime  = 4 * time.Second // after an outage: the other nodes store their counts again
	roundPause    = 100 * time.Millisecond
	pollInterval  = 250 * time.Millisecond
	retryPause    = time.Second
	storeAgain    = 20 * time.Minute // of all counts, before they expire
)

// Channels of one pipeline.
const pipelined = 500

var errLeaseLost = errors.New("the lease of this gateway has expired, or Redis has lost its data")

// share exchanges counts with other nodes. One goroutine uses it, except wake.
type share struct {
	registry *Registry
	conn     *redisconn.Config
	url      string // redacted
	prefix   string
	log      *slog.Logger
	wakeup   chan struct{}
	failures prometheus.Counter

	client    redis.UniversalClient
	name      string          // of this node; "": none yet
	renewed   time.Time       // the last renewal of the lease
	stored    time.Time       // when all counts were stored
	position  string          // in the stream of changes
	loadAllAt time.Time       // when all channels are queued to be read, because the other nodes have stored their counts; zero: they were queued
	nodes     map[string]bool // that are alive
	ended     bool            // a node is alive no more, and its counts may still be shown
}

func newShare(r *Registry, conn *redisconn.Config, log *slog.Logger) *share {
	return &share{registry: r, conn: conn, url: r.opts.Redis.String(), prefix: r.opts.Prefix, log: log, client: conn.NewClient(), wakeup: make(chan struct{}, 1), failures: newFailures()}
}

// wake makes run begin a round.
func (s *share) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// run exchanges counts until ctx ends. After a failure it connects again.
func (s *share) run(ctx context.Context) {
	for {
		err := s.exchange(ctx)
		if ctx.Err() != nil {
			return
		}
		s.failures.Inc()
		if s.registry.disconnect() {
			s.log.Warn("presence incomplete", "redis", s.url, "error", err)
		}
		if time.Since(s.renewed) > lease {
			s.end()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryPause/2 + rand.N(retryPause)):
		}
	}
}

// end forgets the name of the node, whose lease has expired.
func (s *share) end() {
	s.name = ""
	s.registry.forgetStored()
}

// exchange connects, and does rounds until one fails.
func (s *share) exchange(ctx context.Context) error {
	if s.name != "" {
		if err := s.renew(ctx); errors.Is(err, errLeaseLost) {
			s.end()
		} else if err != nil {
			return err
		}
	}
	if s.name == "" {
		if err := s.enter(ctx, "n"+newName()); err != nil {
			return err
		}
	}
	var err error
	if s.position, err = s.announce(ctx, nil); err != nil {
		return err
	}
	s.stored, s.loadAllAt = time.Now(), time.Now()
	if s.registry.connect() {
		s.loadAllAt = time.Now().Add(recoveryTime)
	}
	for {
		if err := s.round(ctx); err != nil {
			return err
		}
		if err := s.rest(ctx); err != nil {
			return err
		}
	}
}

// rest waits for the next round.
func (s *share) rest(ctx context.Context) error {
	for _, wait := range []struct {
		time time.Duration
		wake <-chan struct{}
	}{{roundPause, nil}, {pollInterval - roundPause, s.wakeup}} {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.wake:
		case <-time.After(wait.time):
		}
	}
	return nil
}

// round stores and announces the counts that have changed, and reads those that other nodes have announced.
func (s *share) round(ctx context.Context) error {
	if time.Since(s.stored) > storeAgain {
		s.stored = time.Now()
		s.registry.mu.Lock()
		s.registry.storeAll()
		s.registry.mu.Unlock()
	}
	if err := s.storeChanged(ctx); err != nil {
		return err
	}
	if time.Since(s.renewed) > renewInterval {
		if err := s.renew(ctx); err != nil {
			return err
		}
	}
	if time.Now().Before(s.loadAllAt) {
		return nil
	}
	if !s.loadAllAt.IsZero() {
		s.loadAllAt = time.Time{}
		s.registry.loadAll()
	}
	if s.registry.Channels() > 0 {
		if err := s.readChanges(ctx); err != nil {
			return err
		}
	}
	if err := s.loadChanged(ctx); err != nil {
		return err
	}
	if s.ended {
		s.registry.dropNodes(s.nodes)
		s.ended = false
	}
	if s.registry.complete() {
		s.log.Info("presence complete", "redis", s.url)
	}
	return nil
}

// storeChanged stores the counts that have changed, and announces them.
func (s *share) storeChanged(ctx context.Context) error {
	for list := s.registry.takeToStore(pipelined); len(list) > 0; list = s.registry.takeToStore(pipelined) {
		if err := s.storeStates(ctx, list); err != nil {
			return err
		}
		s.registry.noteStored(list)
		ids := make([]byte, 0, len(list)*len(channelID{}))
		for _, one := range list {
			ids = append(ids, one.channel.id[:]...)
		}
		if _, err := s.announce(ctx, ids); err != nil {
			return err
		}
	}
	return nil
}

// loadChanged reads the counts of other nodes. It renews the lease after it has read, which tells which nodes are alive. A
// node takes its lease before it stores, so each node with counts was alive when it stored them.
func (s *share) loadChanged(ctx context.Context) error {
	for list := s.registry.takeToLoad(pipelined); len(list) > 0; list = s.registry.takeToLoad(pipelined) {
		states, err := s.loadStates(ctx, list)
		if err != nil {
			return err
		}
		if err := s.renew(ctx); err != nil {
			return err
		}
		var ended []field
		for i, ch := range list {
			maps.DeleteFunc(states[i], func(node string, _ nodeState) bool {
				if node != s.name && !s.nodes[node] {
					ended = append(ended, field{ch.id, node})
				}
				return !s.nodes[node] || node == s.name
			})
			s.registry.setLoaded(ch, states[i])
		}
		if err := s.remove(ctx, ended); err != nil {
			return err
		}
	}
	return nil
}

// close makes the counts of this node linger at the others, and closes the connection.
func (s *share) close(ctx context.Context, ended <-chan struct{}) {
	defer s.client.Close()
	ctx, cancel := context.WithTimeout(ctx, retryPause)
	defer cancel()
	select {
	case <-ended:
	case <-ctx.Done(): // a goroutine waits for Redis, and the end of its context does not end this wait
		_ = s.client.Close()
		<-ended
		return
	}
	if s.name == "" {
		return
	}
	if err := s.leave(ctx, min(s.registry.opts.Linger.D(), lease)); err != nil {
		s.log.Debug("presence lease not ended", "redis", s.url, "error", err)
	}
}
