package app

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestBlockedReadTimesOut proves that a blocked read, such as on a dead network mount, is abandoned after the limit.
// The next read fails until it has returned, and works afterwards.
func TestBlockedReadTimesOut(t *testing.T) {
	a := boundedCall{limit: 50 * time.Millisecond}
	release, ended := make(chan struct{}), make(chan struct{})
	err := a.do(t.Context(), func() { <-release; close(ended) })
	if err == nil || !strings.Contains(err.Error(), "could not be read within 50ms") {
		t.Errorf("a blocked read: %v", err)
	}
	if err := a.do(t.Context(), func() { t.Error("a second read was started") }); err == nil || !strings.Contains(err.Error(), "is still reading its files") {
		t.Errorf("during it: %v", err)
	}
	close(release)
	<-ended
	pending := a.pending
	<-pending // closed right after f has returned
	a.limit = 0
	ran := false
	if err := a.do(t.Context(), func() { ran = true }); err != nil || !ran {
		t.Errorf("after it: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	block := make(chan struct{})
	defer close(block)
	if err := a.do(ctx, func() { <-block }); err != context.Canceled {
		t.Errorf("at the stop: %v", err)
	}
}
