package acmeclient

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestPauses proves that the pauses grow up to a bound, and that an authority which has refused a name gets few attempts in an hour.
func TestPauses(t *testing.T) {
	for failures := 1; failures < 100; failures++ {
		for refused, bounds := range map[bool][2]time.Duration{false: {time.Second, 10 * time.Minute}, true: {time.Minute, time.Hour}} {
			middle := min(bounds[0]<<min(failures-1, 20), bounds[1])
			if got := pause(failures, refused); got < middle*3/4 || got > middle*5/4 {
				t.Errorf("failure %d, refused %v: %v, want about %v", failures, refused, got, middle)
			}
		}
	}
	attempts := 1
	for sum := time.Duration(0); ; attempts++ {
		if sum += pause(attempts, true); sum > time.Hour {
			break
		}
	}
	if attempts > 7 {
		t.Errorf("%d attempts in an hour", attempts)
	}
}

// TestLog proves that the log of certmagic comes at the level debug, with its fields, and without requests.
func TestLog(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelInfo:  "",
		slog.LevelDebug: `level=DEBUG msg="lock acquired" domain=shop.example error=refused` + "\n",
	} {
		var out strings.Builder
		text := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		log := zap.New(&logCore{log: slog.New(text)}).With(zap.String("domain", "shop.example")).Named("obtain")
		log.Debug("http request", zap.String("header", "secret"))
		log.Info("lock acquired", zap.Error(errors.New("refused")))
		if got := out.String(); got != want {
			t.Errorf("at %v: %q, want %q", level, got, want)
		}
	}
}
