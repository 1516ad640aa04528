package redissub

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// confirmWithin is how long the server may take to confirm the subscription, while it answers
// pings.
const confirmWithin = 10 * time.Second

// Run is part of [plugin.Source].
//
// go-redis's Channel() is not used: when its consumer stalls it drops messages
// with no more than a log line, and it never notices a half-open connection.
// Here one goroutine does nothing but receive, so that Redis never finds this
// client slow and kills it; one pings; and Run's own hands over to the routes.
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	client := s.Config.NewClient()
	defer client.Close()
	sub := client.Subscribe(ctx)
	defer sub.Close()
	// A context does not end a Receive under way; closing does.
	defer context.AfterFunc(ctx, func() { sub.Close() })()

	awaited, err := s.subscribe(ctx, sub)
	if err != nil {
		return plugin.UnlessDone(ctx, away(err, fmt.Errorf("cannot subscribe at %s: %w", s.opts.URL, err)))
	}
	r := receiver{source: s, sub: sub, awaited: awaited, buffer: newHandoff(s.opts.Buffer), confirmed: make(chan struct{})}
	r.last.Store(time.Now().UnixNano())
	receiving := make(chan struct{})
	plugin.Go(func() error { return r.receive(ctx) }, func(err error) { r.buffer.fail(err); close(receiving) })
	watching := make(chan struct{})
	watch, stopWatch := context.WithCancel(ctx)
	plugin.Go(func() error { return r.watch(watch) }, func(err error) { r.deaf(err); close(watching) })
	defer func() {
		stopWatch()
		<-watching
		sub.Close()
		<-receiving
		s.relay.stop()
	}()
	return plugin.UnlessDone(ctx, r.handOver(ctx, out))
}

// away marks what is said of an error of the server.
func away(err, said error) error {
	return redisconn.Unavailable(err, said, redisconn.Command{FixedKeys: true})
}

// receiver is one run.
type receiver struct {
	source    *source
	sub       *redis.PubSub
	awaited   *subscriptions
	buffer    *handoff
	confirmed chan struct{} // closed when all subscriptions are confirmed
	last      atomic.Int64  // when something was received, in Unix nanoseconds
}

// receive reads until the connection ends, and hands everything off at once. It returns why it ends.
func (r *receiver) receive(ctx context.Context) error {
	refused := error(nil) // the user may not subscribe to gaps
	for {
		msg, err := r.sub.Receive(ctx)
		if err != nil && r.awaited.refuse(err) {
			refused = err
			r.confirm(refused)
			continue
		}
		if said := redis.Error(nil); errors.As(err, &said) {
			r.buffer.fail(away(err, fmt.Errorf("cannot subscribe to %s at %s: %w; gateway plugins redis-sub --acl prints the rights that are needed", r.source.opts.names(), r.source.opts.URL, err)))
			return nil
		}
		if err != nil {
			return away(err, fmt.Errorf("lost the connection to %s: %w", r.source.opts.URL, err))
		}
		now := time.Now()
		r.last.Store(now.UnixNano())
		switch m := msg.(type) {
		case *redis.Subscription:
			if r.awaited.confirm(m) {
				r.confirm(refused)
			} else { // go-redis connected anew under our feet
				return plugin.Unavailable(fmt.Errorf("the connection to %s was replaced", r.source.opts.URL))
			}
		case *redis.Message:
			if redisconn.IsGapChannel(m.Channel) { // whatever pattern it came by: it is no event
				r.source.relay.receive(m.Payload, r.buffer)
				continue
			}
			e := &event.Event{Source: r.source.name, Channel: m.Channel, Time: now, Data: []byte(m.Payload)}
			if m.Pattern != "" {
				e.Attrs = []event.Attr{{Name: "pattern", Value: m.Pattern}}
			}
			r.buffer.put(e)
		}
	}
}

// confirm notes an answer of the server. Once all are there the source is connected; refused
// is why it gets no gaps.
func (r *receiver) confirm(refused error) {
	if !r.awaited.complete() {
		return
	}
	if refused != nil && !r.source.mute {
		r.source.log.Warn("gaps are not passed on: the Redis user may not subscribe to them", "channel", redisconn.SharedGapChannel, "error", refused)
	}
	r.source.mute = refused != nil // it is said once, until it may
	close(r.confirmed)
}

// watch pings until ctx ends, or returns an error where nothing comes back: a half-open
// connection stays deaf for ever otherwise.
func (r *receiver) watch(ctx context.Context) error {
	every := r.source.opts.Ping.D()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if time.Since(time.Unix(0, r.last.Load())) > 2*every {
			return plugin.Unavailable(errSilent)
		}
		if err := r.sub.Ping(ctx); err != nil && ctx.Err() == nil {
			return away(err, fmt.Errorf("cannot ping %s: %w", r.source.opts.URL, err))
		}
	}
}

// deaf closes the connection where watch has returned an error.
func (r *receiver) deaf(err error) {
	if err != nil {
		r.buffer.fail(err)
		r.sub.Close()
	}
}

// handOver emits what was received until the connection is lost.
func (r *receiver) handOver(ctx context.Context, out plugin.Output) error {
	late := time.NewTimer(confirmWithin)
	defer late.Stop()
	select {
	case <-r.confirmed:
	case <-late.C:
		return fmt.Errorf("%s has not confirmed the subscription within %v: connect to Redis itself, where a proxy stands in between that knows no SUBSCRIBE", r.source.opts.URL, confirmWithin)
	case <-r.buffer.failed:
		return r.buffer.err
	case <-ctx.Done():
		return nil
	}
	if r.source.was {
		out.Gap("subscribed anew: what was published meanwhile is lost")
	}
	r.source.was = true
	out.Ready()
	var batch []*event.Event
	for {
		var before missed
		var err error
		batch, before, err = r.buffer.take(ctx, batch[:0])
		if before.lost > 0 {
			r.source.dropped.Add(float64(before.lost))
			out.Gap(fmt.Sprintf("%d messages dropped: the routes were slower than Redis", before.lost))
		}
		if before.passed != nil {
			out.ForwardGap(*before.passed)
		}
		if len(batch) > 0 {
			if err := out.Emit(ctx, event.Batch{Events: batch}); err != nil {
				return err
			}
			clear(batch)
		}
		if err != nil {
			return err
		}
	}
}
