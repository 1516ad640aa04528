package app

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestHangingReadIsLeft: a read that hangs, as on a dead network mount, is left after its time; the next
// does not start beside it, and works again once it has ended.
func TestHangingReadIsLeft(t *testing.T) {
	a := attempt{limit: 50 * time.Millisecond}
	release, ended := make(chan struct{}), make(chan struct{})
	err := a.do(t.Context(), func() { <-release; close(ended) })
	if err == nil || !strings.Contains(err.Error(), "could not be read within 50ms") {
		t.Errorf("a read that hangs: %v", err)
	}
	if err := a.do(t.Context(), func() { t.Error("a second read was started") }); err == nil || !strings.Contains(err.Error(), "is still reading its files") {
		t.Errorf("beside it: %v", err)
	}
	close(release)
	<-ended
	hung := a.hangs
	<-hung // its goroutine closes it right after
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
