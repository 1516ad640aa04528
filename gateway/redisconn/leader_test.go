package redisconn

import (
	"context"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestElectorReacquiresItsOwnLock proves that an elector which could not release its lock, because
// Redis was unavailable, acquires it at once, in a higher term. A late release of the earlier term
// changes nothing, and other electors stand by.
func TestElectorReacquiresItsOwnLock(t *testing.T) {
	url := options.NewURL(testenv.Redis(t).URL())
	config, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	own, other := NewElector(config, url), NewElector(config, url)
	noStandby := func(holder string) { t.Errorf("stands by for %q", holder) }
	first, err := own.Campaign(t.Context(), "own", 0, noStandby)
	if err != nil {
		t.Fatal(err)
	}
	second, err := own.Campaign(t.Context(), "own", 0, noStandby)
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
	for _, e := range []Elector{other, {Config: config, URL: url}} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		standby := false
		if _, err := e.Campaign(ctx, "own", 0, func(string) { standby = true; cancel() }); err == nil || !standby {
			t.Errorf("another gateway leads: %v", err)
		}
		cancel()
	}
	second.Resign()
}
