package backoff

import (
	"testing"
	"time"
)

func TestBackoffIsBoundedAndJittered(t *testing.T) {
	b := Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second}
	bound := b.Initial
	seen := map[time.Duration]bool{}
	for range 100 {
		d := b.Next()
		if d <= 0 || d > bound {
			t.Fatalf("pause %v, bound %v", d, bound)
		}
		seen[d] = true
		bound = min(2*bound, b.Max)
	}
	if len(seen) < 90 {
		t.Errorf("only %d different pauses of 100", len(seen))
	}
}
