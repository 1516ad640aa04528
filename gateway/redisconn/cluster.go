package redisconn

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// reloadEvery is the shortest time between two questions of a client for the servers of the
// cluster that follow from a failure.
const reloadInterval = 500 * time.Millisecond

// newCluster returns a client of a cluster that asks which server has which keys when one cannot
// be reached. go-redis does so every 60 seconds, and when a server sends it to another one; but a
// master that is gone sends nobody to its successor.
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
