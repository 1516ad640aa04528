package app

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/testenv"
)

// TestQuietIsBounded proves that changes of a watched file postpone its reading for a while, and other changes do not.
func TestQuietIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		on   func(*quiet)
		want time.Duration
	}{
		"a watched file is written all the time": {(*quiet).postpone, longestPostponement},
		"files beside it change all the time":    {(*quiet).begin, quietPeriod},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuiet()
			for range 3 {
				begin, changes := time.Now(), time.NewTicker(quietPeriod/10)
				for fired := false; !fired; {
					select {
					case <-changes.C:
						c.on(q)
					case <-q.C:
						q.end()
						fired = true
					}
				}
				changes.Stop()
				if got := time.Since(begin); got < c.want || got > c.want+quietPeriod/10 {
					t.Errorf("%s: read after %v, want %v", name, got, c.want)
				}
			}
			q.Stop()
		})
	}
}

// TestReloadIsRepeated proves that a reload which had to wait for components to end is repeated when they have.
func TestReloadIsRepeated(t *testing.T) {
	file := writeConfig(t, adminConfig)
	env := map[string]string{"REDIS_URL": testenv.Redis(t).URL()}
	r := startGateway(t, file, env)
	env["PORT"] = r.port
	r.reloadable(file, env)
	ended := make(chan struct{})
	r.reloader.again = ended
	ctx, cancel := context.WithCancel(t.Context())
	go r.watch(ctx)
	defer func() { cancel(); <-r.reloader.ended }()
	close(ended)
	testenv.Eventually(t, testenv.Wait, "a reload", func() bool {
		return strings.Contains(r.said.String(), `msg="configuration reloaded" reason="replaced or removed components have ended"`)
	})
}
