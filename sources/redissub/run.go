package redissub

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// confirmTimeout is the time that the server has to confirm the subscriptions.
const confirmTimeout = 10 * time.Second

// Run is part of [plugin.Source].
//
// It does not use Channel of go-redis, which drops messages with no more than a log line when its
// consumer stalls, and does not detect a half-open connection. Here one goroutine only receives,
// so that Redis does not close the connection of a slow client; one pings; and Run emits.
func (s *source) Run(ctx context.Context, out plugin.Output) error {
	server, err := s.subscriber(ctx)
	if err != nil {
		return plugin.UnlessDone(ctx, s.wrapSubscribe(err))
	}
	defer server.Close()
	sub := server.Client.Subscribe(ctx)
	defer sub.Close()
	// The end of a context does not interrupt Receive, but Close does.
	defer context.AfterFunc(ctx, func() { sub.Close() })()

	awaited, err := s.subscribe(ctx, sub)
	if err != nil {
		return plugin.UnlessDone(ctx, s.wrapSubscribe(err))
	}
	if err := server.Begin(ctx); err != nil {
		return plugin.UnlessDone(ctx, s.wrapSubscribe(err))
	}
	r := receiver{source: s, server: server, sub: sub, awaited: awaited, buffer: newMessageBuffer(s.opts.Buffer), confirmed: make(chan struct{})}
	r.last.Store(time.Now().UnixNano())
	receiving := make(chan struct{})
	plugin.Go(func() error { return r.receive(ctx) }, func(err error) { r.buffer.fail(err); close(receiving) })
	watching := make(chan struct{})
	watch, stopWatch := context.WithCancel(ctx)
	plugin.Go(func() error { return r.watch(watch) }, func(err error) { r.disconnect(err); close(watching) })
	defer func() {
		stopWatch()
		<-watching
		sub.Close()
		<-receiving
		s.gapForwarder.reset()
	}()
	return plugin.UnlessDone(ctx, r.emitLoop(ctx, out))
}

// unavailable returns wrapped, which describes err, marked where the server has failed.
func unavailable(err, wrapped error) error {
	return redisconn.Unavailable(err, wrapped, redisconn.Command{FixedKeys: true})
}

// subscriber connects to the server to subscribe at.
func (s *source) subscriber(ctx context.Context) (*redisconn.Subscriber, error) {
	return s.Config.NewSubscriber(ctx, slices.Concat(s.opts.Channels, s.opts.Patterns)[0], s.log)
}

// wrapSubscribe returns the error of a Run that cannot begin.
func (s *source) wrapSubscribe(err error) error {
	return unavailable(err, fmt.Errorf("cannot subscribe at %s: %w", s.opts.URL, err))
}

// receiver is one Run.
type receiver struct {
	source    *source
	server    *redisconn.Subscriber
	sub       *redis.PubSub
	awaited   *subscriptions
	buffer    *messageBuffer
	confirmed chan struct{} // closed when all subscriptions are confirmed
	last      atomic.Int64  // when something was received, in Unix nanoseconds
}

// receive reads messages into the buffer until the connection ends, and returns the reason.
func (r *receiver) receive(ctx context.Context) error {
	refused := error(nil)       // the user may not subscribe to gaps
	timeout := time.Duration(0) // removes the deadline of the connection
	for {
		msg, err := r.sub.ReceiveTimeout(ctx, timeout)
		if err != nil && r.awaited.refuse(err) {
			refused = err
			r.confirm(refused)
			continue
		}
		if redisconn.IsReply(err) {
			r.buffer.fail(unavailable(err, fmt.Errorf("cannot subscribe to %s at %s: %w; gateway plugins redis-sub --acl prints the rights that are needed", r.source.opts.names(), r.source.opts.URL, err)))
			return nil
		}
		if err != nil {
			return unavailable(err, fmt.Errorf("lost the connection to %s: %w", r.source.opts.URL, err))
		}
		now := time.Now()
		r.last.Store(now.UnixNano())
		switch m := msg.(type) {
		case *redis.Subscription:
			if r.awaited.confirm(m) {
				r.confirm(refused)
			} else { // go-redis has reconnected by itself
				return plugin.Unavailable(fmt.Errorf("the connection to %s was replaced", r.source.opts.URL))
			}
		case *redis.Message:
			timeout = -1                           // the deadline is removed already
			if redisconn.IsGapChannel(m.Channel) { // never an event, also if a pattern matches it
				r.source.gapForwarder.receive(m.Payload, r.buffer)
				continue
			}
			e := &event.Event{Source: r.source.name, Channel: m.Channel, Time: now, Data: event.StringData(m.Payload)}
			if m.Pattern != "" {
				e.Attrs = []event.Attr{{Name: "pattern", Value: m.Pattern}}
			}
			r.buffer.put(e)
		}
	}
}

// confirm closes confirmed once the server has answered all subscriptions. refused is the denial of
// those to gaps, or nil.
func (r *receiver) confirm(refused error) {
	if !r.awaited.complete() {
		return
	}
	if refused != nil && !r.source.gapsDenied {
		r.source.log.Warn("gap subscription denied", "channel", redisconn.SharedGapChannel, "error", refused)
	}
	r.source.gapsDenied = refused != nil // one warning until it is allowed
	close(r.confirmed)
}

// watch pings until ctx ends, and checks whether the server still gets what is published. It returns an error where it does not,
// and after two pings without a reply: a half-open connection is not detected otherwise.
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
			return plugin.Unavailable(errNoPong)
		}
		if err := r.sub.Ping(ctx); err != nil && ctx.Err() == nil {
			return unavailable(err, fmt.Errorf("cannot ping %s: %w", r.source.opts.URL, err))
		}
		if err := r.check(ctx, every); err != nil {
			return fmt.Errorf("nothing new comes from %s: %w", r.source.opts.URL, err)
		}
	}
}

// check checks the server, on another connection, for a time at most.
func (r *receiver) check(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	gap, err := r.server.Check(ctx)
	if gap != "" {
		r.buffer.notice(gap)
	}
	return err
}

// disconnect closes the connection where watch has returned an error.
func (r *receiver) disconnect(err error) {
	if err != nil {
		r.buffer.fail(err)
		r.sub.Close()
	}
}

// emitLoop emits what was received until the connection is lost.
func (r *receiver) emitLoop(ctx context.Context, out plugin.Output) error {
	timeout := time.NewTimer(confirmTimeout)
	defer timeout.Stop()
	select {
	case <-r.confirmed:
	case <-timeout.C:
		return fmt.Errorf("%s has not confirmed the subscription within %v; if url is that of a proxy without SUBSCRIBE, name Redis itself", r.source.opts.URL, confirmTimeout)
	case <-r.buffer.failed:
		return r.buffer.err
	case <-ctx.Done():
		return nil
	}
	if r.source.subscribedBefore {
		out.Gap("resubscribed: messages published meanwhile are lost")
	}
	r.source.subscribedBefore = true
	out.Ready()
	var batch []*event.Event
	for {
		var before gapBefore
		var err error
		batch, before, err = r.buffer.next(ctx, batch[:0])
		if before.dropped > 0 {
			r.source.dropped.Add(float64(before.dropped))
			out.Gap(fmt.Sprintf("%d messages dropped: the routes were slower than Redis", before.dropped))
		}
		if before.noticed != "" {
			out.Gap(before.noticed)
		}
		if before.forwarded != nil {
			out.ForwardGap(*before.forwarded)
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
