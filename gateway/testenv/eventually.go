package testenv

import (
	"strings"
	"testing"
	"time"
)

// Eventually polls until the condition holds, and returns how long that took. It is for conditions that give no
// signal. The test fails if the condition does not hold within the time; what names it in the failure, and state
// returns details.
func Eventually(t testing.TB, within time.Duration, what string, condition func() bool, state ...func() string) time.Duration {
	t.Helper()
	begin := time.Now()
	for !condition() {
		if time.Since(begin) > within {
			var details strings.Builder
			for _, text := range state {
				details.WriteString("; it is " + text())
			}
			t.Fatalf("after %v: not %s%s", within, what, details.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}
