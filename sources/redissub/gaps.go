package redissub

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Bounds of the gaps of other gateways that are forwarded; beyond the rate they are merged.
const (
	gapsPerSecond = 10
	gapBurst      = 20
	maxKnownIDs   = 1024 // IDs
)

// gapChannels returns the channels and patterns on which gaps are published of what the
// source subscribes to.
func (o *Options) gapChannels() (channels, patterns []string) {
	channels = []string{redisconn.SharedGapChannel}
	for _, c := range o.Channels {
		channels = append(channels, redisconn.GapChannel(c))
	}
	for _, p := range o.Patterns {
		patterns = append(patterns, redisconn.GapChannel(p))
	}
	return channels, patterns
}

// concerns reports whether the source may get events of channels whose names begin with prefix.
func (o *Options) concerns(prefix string) bool {
	for _, c := range o.Channels {
		if strings.HasPrefix(c, prefix) {
			return true
		}
	}
	for _, p := range o.Patterns {
		fixed := p
		if i := strings.IndexAny(p, `*?[\`); i >= 0 {
			fixed = p[:i]
		}
		if strings.HasPrefix(fixed, prefix) || strings.HasPrefix(prefix, fixed) {
			return true
		}
	}
	return false
}

// gapForwarder forwards the gaps that other gateways publish, each once. A gap may be received
// several times: by a channel and a pattern, after a retried write, or through a cycle of gateways.
type gapForwarder struct {
	opts       *Options
	limit      *rate.Limiter
	known      map[string]bool
	knownOrder []string // known, oldest first

	mu      sync.Mutex
	pending *plugin.Gap // beyond the rate limit
	merged  int         // further gaps that it stands for
	timer   *time.Timer
}

func newGapForwarder(o *Options) *gapForwarder {
	return &gapForwarder{opts: o, limit: rate.NewLimiter(gapsPerSecond, gapBurst), known: map[string]bool{}}
}

// receive puts the gap that a message describes into the buffer, at once or when the rate limit
// allows it. It ignores other messages. Only the receiving goroutine calls it.
func (f *gapForwarder) receive(text string, buffer *messageBuffer) {
	g, prefix, ok := redisconn.DecodeGap(text)
	if !ok || f.known[g.ID] || prefix != "" && !f.opts.concerns(prefix) {
		return
	}
	if f.known[g.ID] = true; len(f.knownOrder) < maxKnownIDs {
		f.knownOrder = append(f.knownOrder, g.ID)
	} else {
		delete(f.known, f.knownOrder[0])
		f.knownOrder = append(f.knownOrder[1:], g.ID)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending != nil {
		f.merged++
		return
	}
	now := time.Now()
	pause := f.limit.ReserveN(now, 1).DelayFrom(now)
	if pause == 0 {
		buffer.gap(g)
		return
	}
	f.pending = &g
	f.timer = time.AfterFunc(pause, func() { f.flush(buffer) })
}

// flush puts the pending gap into the buffer.
func (f *gapForwarder) flush(buffer *messageBuffer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending == nil {
		return
	}
	if f.merged > 0 {
		f.pending.Reason += fmt.Sprintf(" (and %d gaps more)", f.merged)
	}
	buffer.gap(*f.pending)
	f.pending, f.merged = nil, 0
}

// reset discards the pending gap at the end of a run. The next run begins with a gap.
func (f *gapForwarder) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
	}
	f.pending, f.merged = nil, 0
}
