package testenv

import (
	"strings"
	"testing"
	"time"
)

// Eventually waits until so holds, and returns how long that took: for what gives no other signal. The
// test fails where so does not hold within a time; what names it, and state adds what is so instead.
func Eventually(t testing.TB, within time.Duration, what string, so func() bool, state ...func() string) time.Duration {
	t.Helper()
	begin := time.Now()
	for !so() {
		if time.Since(begin) > within {
			var is strings.Builder
			for _, say := range state {
				is.WriteString("; it is " + say())
			}
			t.Fatalf("after %v: not %s%s", within, what, is.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}
