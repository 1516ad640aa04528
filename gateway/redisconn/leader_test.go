package redisconn

import (
	"context"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestOwnLockIsFree: a gateway that could not give its lock back, because Redis was away, takes it
// again at once, in a higher term. What it has sent in the earlier one does no harm, and another
// gateway stands by.
func TestOwnLockIsFree(t *testing.T) {
	url := options.NewURL(testenv.Redis(t).URL())
	config, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	own, other := NewElector(config, url), NewElector(config, url)
	alone := func(holder string) { t.Errorf("stands by for %q", holder) }
	first, err := own.Campaign(t.Context(), "own", 0, alone)
	if err != nil {
		t.Fatal(err)
	}
	second, err := own.Campaign(t.Context(), "own", 0, alone)
	if err != nil {
		t.Fatal(err)
	}
	if second.Term() <= first.Term() {
		t.Errorf("term %d after %d", second.Term(), first.Term())
	}
	if first.Confirm(t.Context()) == nil {
		t.Error("the earlier term is confirmed")
	}
	first.Resign() // as it may arrive late
	if err := second.Confirm(t.Context()); err != nil {
		t.Errorf("the lock is gone: %v", err)
	}
	for _, stranger := range []Elector{other, {Config: config, URL: url}} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		stood := false
		if _, err := stranger.Campaign(ctx, "own", 0, func(string) { stood = true; cancel() }); err == nil || !stood {
			t.Errorf("another gateway leads: %v", err)
		}
		cancel()
	}
	second.Resign()
}
