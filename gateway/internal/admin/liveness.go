package admin

import (
	"context"
	"errors"
	"sync"
	"time"

	"eventgateway/gateway/internal/stats"
)

// liveLimit is how long /healthz waits for the router.
const liveLimit = 5 * time.Second

// errFrozen is the error of a gateway whose router is frozen.
var errFrozen = errors.New("the router does not answer: its state cannot be read")

// liveness has the assessment under way. All callers share it, so a frozen router blocks one goroutine only.
type liveness struct {
	mu       sync.Mutex
	underway *assessment // nil: none
}

// assessment is one assessment of the health.
type assessment struct {
	done   chan struct{} // closed when health is set
	health stats.GatewayHealth
}

// Health returns the health of the gateway. It reads the state of each component, for which it needs the locks of the
// router, the sources and the queues. It fails where they are not free until ctx ends: then the gateway is frozen.
func (a *Admin) Health(ctx context.Context) (stats.GatewayHealth, error) {
	a.liveness.mu.Lock()
	now := a.liveness.underway
	if now == nil {
		now = &assessment{done: make(chan struct{})}
		a.liveness.underway = now
		go func() {
			now.health = a.health(a.Router.Status())
			a.liveness.mu.Lock()
			a.liveness.underway = nil
			a.liveness.mu.Unlock()
			close(now.done)
		}()
	}
	a.liveness.mu.Unlock()
	select {
	case <-now.done:
		return now.health, nil
	case <-ctx.Done():
		return stats.GatewayHealth{}, errFrozen
	}
}
