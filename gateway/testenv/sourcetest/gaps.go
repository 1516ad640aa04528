package sourcetest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// Gaps records the gaps that a source reports.
type Gaps struct {
	mu      sync.Mutex
	reasons []string
	more    chan struct{}
}

// RecordGaps records the gaps that a collector gets.
func RecordGaps(c *Collector) *Gaps {
	g := &Gaps{more: make(chan struct{}, 1)}
	c.OnGap = func(reason string) {
		g.mu.Lock()
		g.reasons = append(g.reasons, reason)
		g.mu.Unlock()
		signal(g.more)
	}
	return g
}

// Reasons returns the reasons of all gaps so far.
func (g *Gaps) Reasons() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.reasons)
}

// AwaitGap waits for a gap whose reason has a text, and returns how many gaps there were in all.
func (g *Gaps) AwaitGap(t testing.TB, text string) int {
	t.Helper()
	deadline := time.After(testenv.Wait)
	for {
		all := g.Reasons()
		if slices.ContainsFunc(all, func(reason string) bool { return strings.Contains(reason, text) }) {
			return len(all)
		}
		select {
		case <-g.more:
		case <-deadline:
			t.Fatalf("no gap has %q: %q", text, all)
		}
	}
}

// RequireOneGap checks that exactly one gap was reported, and that its reason has a text.
func (g *Gaps) RequireOneGap(t testing.TB, text string) {
	t.Helper()
	if got := g.Reasons(); len(got) != 1 || !strings.Contains(got[0], text) {
		t.Errorf("gaps %q, want one with %q", got, text)
	}
}

// RequireGap checks that a gap was reported whose reason has a text.
func (g *Gaps) RequireGap(t testing.TB, text string) {
	t.Helper()
	if got := strings.Join(g.Reasons(), "\n"); !strings.Contains(got, text) {
		t.Errorf("gaps %q, want one with %q", got, text)
	}
}
