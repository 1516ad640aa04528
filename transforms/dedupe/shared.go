package dedupe

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/redisconn"
)

// shared remembers events in Redis, with one round trip for each.
type shared struct {
	conn   *redisconn.Config
	url    options.URL
	prefix string
	window time.Duration
	client redis.UniversalClient // nil until the first event
}

func (s *shared) seen(ctx context.Context, k key) (bool, error) {
	if s.client == nil {
		s.client = s.conn.NewClient()
	}
	err := s.client.SetArgs(ctx, s.prefix+hex.EncodeToString(k[:]), 1, redis.SetArgs{Mode: "NX", TTL: s.window}).Err()
	switch {
	case errors.Is(err, redis.Nil): // it is there
		return true, nil
	case err != nil:
		return false, redisconn.Unavailable(err, fmt.Errorf("redis %s: %w", s.url, err), redisconn.Command{FixedKeys: true})
	}
	return false, nil
}

func (s *shared) close() error {
	if s.client == nil {
		return nil
	}
	return s.client.Close()
}
