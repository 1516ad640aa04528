package httpclient

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Now()
	if d := RetryAfter(now.Add(90*time.Second).UTC().Format(http.TimeFormat), now); d < 88*time.Second || d > 90*time.Second {
		t.Errorf("a date 90 s away is %v", d)
	}
	for value, want := range map[string]time.Duration{"99999999999999999999": 1 << 30 * time.Second, "9223372036854775807": 1 << 30 * time.Second, "-7": 0, "-99999999999999999999": 0, "7x": 0, "": 0} {
		if d := RetryAfter(value, now); d != want {
			t.Errorf("%s is %v", value, d)
		}
	}
	if d := RetryAfter(now.Add(-time.Hour).UTC().Format(http.TimeFormat), now); d != 0 {
		t.Errorf("a date that has passed is %v", d)
	}
}
