package embedded

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// mini is a Redis in this process, where none is installed. It is for a look at
// the gateway only: a subscriber that stops reading blocks every publisher.
type mini struct{ server *miniredis.Miniredis }

func startMini() (*mini, error) {
	server, err := miniredis.Run()
	if err != nil {
		return nil, fmt.Errorf("cannot start the Redis in this process: %w", err)
	}
	return &mini{server}, nil
}

func (m *mini) URL() string { return "redis://" + m.server.Addr() }

func (m *mini) Stop(context.Context) error {
	m.server.Close()
	return nil
}

func (m *mini) String() string { return "Redis (in this process, for lack of redis-server)" }
