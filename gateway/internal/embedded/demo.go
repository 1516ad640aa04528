package embedded

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// orderInterval is the time between two changes of orders.
	orderInterval = 100 * time.Millisecond
	// ordersFor bounds a run of changes, because a page that has begun it may be closed.
	ordersFor = 5 * time.Minute
	// redisAwayFor is how long Redis is stopped.
	redisAwayFor = 10 * time.Second
	// redisRetry is the pause after a start of Redis that has failed.
	redisRetry = time.Second
)

// ErrRedisAway is the error of [Demo.TakeRedis] while Redis is stopped.
var ErrRedisAway = errors.New("Redis is stopped already: wait until it runs again")

// Demo changes orders on embedded servers, and stops Redis for a while, so that a visitor sees events flow and queues fill. What it has begun
// ends by itself, and when its context ends.
type Demo struct {
	servers *Servers
	log     *slog.Logger
	ctx     context.Context
	running sync.WaitGroup

	mu                      sync.Mutex
	ordersUntil, redisUntil time.Time          // zero: not under way
	endOrders               context.CancelFunc // of the present run
}

// NewDemo returns a Demo that ends with ctx. [Demo.Wait] must be called before the servers are stopped.
func NewDemo(ctx context.Context, s *Servers, log *slog.Logger) *Demo {
	return &Demo{servers: s, log: log, ctx: ctx, endOrders: func() {}}
}

// State returns until when orders are changed, and until when Redis is away; zero if they are not.
func (d *Demo) State() (orders, redis time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ordersUntil, d.redisUntil
}

// MakeOrders begins to change ten orders per second, for five minutes, or ends this. A second run replaces the first.
func (d *Demo) MakeOrders(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endOrders()
	d.ordersUntil = time.Time{}
	if !on || d.ctx.Err() != nil {
		return
	}
	until := time.Now().Add(ordersFor)
	ctx, cancel := context.WithDeadline(d.ctx, until)
	d.endOrders, d.ordersUntil = cancel, until
	d.running.Go(func() {
		defer cancel()
		if err := d.servers.changeOrders(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("change of orders failed", "effect", "no more orders are changed", "error", err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.ordersUntil.Equal(until) { // no other run has begun
			d.ordersUntil = time.Time{}
		}
	})
}

// changeOrders changes orders until ctx ends.
func (s *Servers) changeOrders(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.PostgresURL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	ticks := time.NewTicker(orderInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			if _, err := conn.Exec(ctx, changeOrderSQL); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// TakeRedis stops Redis for ten seconds. Its data is kept. The error is [ErrRedisAway], or why it cannot be stopped.
func (d *Demo) TakeRedis() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.redisUntil.IsZero() {
		return ErrRedisAway
	}
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if err := d.servers.redis.stopWithData(d.ctx); err != nil {
		return err
	}
	d.redisUntil = time.Now().Add(redisAwayFor)
	d.log.Info("redis stopped by the page", "for", redisAwayFor.String())
	d.running.Go(d.bringRedisBack)
	return nil
}

// bringRedisBack starts Redis after a while, or when the context ends: then the gateway drains its queues into it.
func (d *Demo) bringRedisBack() {
	pause := redisAwayFor
	for tries := 0; ; tries++ {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-d.ctx.Done():
		}
		timer.Stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), startTimeout)
		err := d.servers.redis.Start(ctx)
		cancel()
		if err == nil {
			break
		}
		d.log.Error("start of redis failed", "error", err)
		if pause = redisRetry; d.ctx.Err() != nil && tries > 0 {
			break
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.redisUntil = time.Time{}
}

// Wait waits until what was begun has ended, after the context has.
func (d *Demo) Wait() { d.running.Wait() }
