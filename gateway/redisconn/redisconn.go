// Package redisconn connects to Redis for all plugins that speak it.
package redisconn

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"eventgateway/gateway/options"
)

// Bounds of one attempt to connect, read or write.
const (
	dialTimeout  = 5 * time.Second
	readTimeout  = 3 * time.Second
	writeTimeout = 3 * time.Second
)

// Schemes is the rule of a Redis URL option.
const Schemes = "redis|rediss|unix"

// Options reads a redis://, rediss:// or unix:// URL. It does no I/O. Its error
// never repeats the URL, which may hold a password.
func Options(u options.URL) (*redis.Options, error) {
	quiet.Do(func() { redis.SetLogger(silence{}) })
	opt, err := redis.ParseURL(u.Reveal())
	if err != nil {
		return nil, errors.New("is not a Redis URL; write redis://user:password@host:6379/0, rediss://... for TLS, or unix:///path/to/socket")
	}
	opt.ClientName = "eventgateway"
	opt.DisableIdentity = true // CLIENT SETINFO is an error on servers before 7.2
	opt.Protocol = 2           // Pub/Sub needs nothing of RESP3, and 2 works with every server and proxy
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	opt.ContextTimeoutEnabled = true
	opt.MaxRetries = -1 // the router retries
	opt.DialerRetries = 1
	opt.PoolSize = 1 // nobody here writes concurrently
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = dialTimeout, readTimeout, writeTimeout
	return opt, nil
}

// go-redis logs to standard error, past every setting, what it returns as well.
var quiet sync.Once

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
