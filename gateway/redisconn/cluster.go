package redisconn

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// reloadInterval is the shortest time between two reloads of the slot map after failures.
const reloadInterval = 500 * time.Millisecond

// newCluster returns a client of a cluster that reloads the slot map when a server cannot be
// reached. go-redis reloads it every 60 seconds, and after a redirection. A master that is gone
// cannot redirect to its successor.
func newCluster(o *redis.ClusterOptions) *redis.ClusterClient {
	var client atomic.Pointer[redis.ClusterClient]
	var last atomic.Int64 // Unix nanoseconds
	dial := o.Dialer
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if c := client.Load(); err != nil && c != nil {
			now, before := time.Now().UnixNano(), last.Load()
			if now-before >= int64(reloadInterval) && last.CompareAndSwap(before, now) {
				c.ReloadState(ctx)
			}
		}
		return conn, err
	}
	c := redis.NewClusterClient(o)
	client.Store(c)
	return c
}
