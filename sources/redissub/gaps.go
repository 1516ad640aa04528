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

// Bounds of the gaps that others publish: many are passed on as one.
const (
	gapsPerSecond = 10
	gapsAtOnce    = 20
	rememberGaps  = 1024 // IDs
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

// relay takes the gaps that others publish. Each is passed on once, however often it comes:
// by a channel and by a pattern, after a write whose answer was lost, or round a circle of
// gateways.
type relay struct {
	opts  *Options
	limit *rate.Limiter
	known map[string]bool
	order []string // of known

	mu      sync.Mutex
	waiting *plugin.Gap // beyond the limit
	more    int         // gaps that are one with it
	timer   *time.Timer
}

func newRelay(o *Options) *relay {
	return &relay{opts: o, limit: rate.NewLimiter(gapsPerSecond, gapsAtOnce), known: map[string]bool{}}
}

// receive puts the gap that a message tells of into the buffer, or has it wait. It ignores
// what tells of none. Only the goroutine that receives calls it.
func (y *relay) receive(text string, buffer *handoff) {
	g, prefix, ok := redisconn.DecodeGap(text)
	if !ok || y.known[g.ID] || prefix != "" && !y.opts.concerns(prefix) {
		return
	}
	if y.known[g.ID] = true; len(y.order) < rememberGaps {
		y.order = append(y.order, g.ID)
	} else {
		delete(y.known, y.order[0])
		y.order = append(y.order[1:], g.ID)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.waiting != nil {
		y.more++
		return
	}
	now := time.Now()
	pause := y.limit.ReserveN(now, 1).DelayFrom(now)
	if pause == 0 {
		buffer.gap(g)
		return
	}
	y.waiting = &g
	y.timer = time.AfterFunc(pause, func() { y.release(buffer) })
}

// release puts the gap that waits into the buffer.
func (y *relay) release(buffer *handoff) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.waiting == nil {
		return
	}
	if y.more > 0 {
		y.waiting.Reason += fmt.Sprintf(" (and %d gaps more)", y.more)
	}
	buffer.gap(*y.waiting)
	y.waiting, y.more = nil, 0
}

// stop ends a run: its buffer takes nothing any more. The next one begins with a gap.
func (y *relay) stop() {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.timer != nil {
		y.timer.Stop()
	}
	y.waiting, y.more = nil, 0
}
