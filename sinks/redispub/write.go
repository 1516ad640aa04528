package redispub

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

type sink struct {
	opts       Options
	env        plugin.Env
	client     redis.UniversalClient
	field      []byte // "name": of the sequence field, as JSON
	literal    any    // the channel as an argument of commands; nil where it depends on the event
	counter    int64  // of the sequence, after the last write
	messages   []byte // scratch of publish
	eval       expr.Evaluator
	gapsDenied bool // it was denied to publish gaps, and has logged that
}

var errReserved = fmt.Errorf("channels that begin with %s are reserved for gaps: choose another name", redisconn.SharedGapChannel)

// Open is part of [plugin.Opener].
func (s *sink) Open(ctx context.Context) error { return s.Ping(ctx) }

// Ping is part of [plugin.Pinger].
func (s *sink) Ping(ctx context.Context) error { return s.serverError(s.client.Ping(ctx).Err()) }

// Close is part of [plugin.Closer].
func (s *sink) Close(context.Context) error { return s.client.Close() }

// Write is part of [plugin.Sink]: one round trip for the whole batch.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	if s.opts.Sequence.Key == "" {
		return s.writePlain(ctx, events)
	}
	return s.writeNumbered(ctx, events)
}

func (s *sink) writePlain(ctx context.Context, events []*event.Event) error {
	failed := map[int]error{}
	client, err := redisconn.NodeFor(ctx, s.client, s.opts.Channel.String())
	if err != nil {
		return s.serverError(err)
	}
	for from := 0; from < len(events); {
		to := redisconn.ChunkEnd(events, from, len(events))
		serverErr := s.publishPlain(ctx, client, events[from:to], func(i int, err error) { failed[from+i] = err })
		if serverErr != nil {
			for i := to; i < len(events); i++ { // later events must not overtake failed ones
				failed[i] = serverErr
			}
			break
		}
		from = to
	}
	return plugin.Failed(failed)
}

// publishPlain publishes events without numbers. It returns an error where the server has failed;
// fail gets it, too.
func (s *sink) publishPlain(ctx context.Context, client redis.UniversalClient, events []*event.Event, fail func(int, error)) (serverErr error) {
	pipe := client.Pipeline()
	var hello *redis.Cmd
	if client == s.client { // in a cluster, a replica forwards what is published
		hello = pipe.Do(ctx, "HELLO")
	}
	results := make([]*redis.Cmd, len(events))
	args := make([]any, 0, 3*len(events)) // of all commands
	for i, e := range events {
		channel, err := s.channel(e)
		if err == nil {
			err = redisconn.CheckSize(len(e.Data))
		}
		if err != nil {
			fail(i, plugin.Permanent(err))
			continue
		}
		args = append(args, "PUBLISH", channel, e.Data)
		results[i] = pipe.Do(ctx, args[len(args)-3:]...)
	}
	var err error
	if slices.ContainsFunc(results, func(r *redis.Cmd) bool { return r != nil }) {
		_, err = pipe.Exec(ctx)
	}
	var replica error // all messages have it where the server is a replica
	if hello != nil {
		replica = redisconn.CheckMaster(hello)
	}
	for i, r := range results {
		if r == nil {
			continue
		}
		err := redisconn.CommandError(r, err)
		if err == nil {
			err = replica
		}
		if err != nil && len(events) == 1 {
			err = redisconn.RetryLarge(ctx, s.client, len(events[0].Data), err, func() error {
				return client.Do(ctx, r.Args()...).Err()
			})
		}
		if err == nil {
			continue
		}
		err = s.messageError(err)
		fail(i, err)
		if plugin.IsUnavailable(err) {
			serverErr = err
		}
	}
	return serverErr
}

// channel returns the channel of an event, as an argument of commands.
func (s *sink) channel(e *event.Event) (any, error) {
	if s.literal != nil {
		return s.literal, nil
	}
	b, err := s.eval.Append(nil, s.opts.Channel, e)
	name := string(b)
	if err == nil && redisconn.IsGapChannel(name) {
		err = errReserved
	}
	if err == nil && name == "" {
		err = fmt.Errorf("template `%s`: the channel's name is empty", s.opts.Channel)
	}
	return name, err
}

// serverError returns an error of the connection or the counter, marked where the server has failed.
// All errors of the server are retried.
func (s *sink) serverError(err error) error {
	return redisconn.Unavailable(err, s.wrap(err), redisconn.Command{FixedKeys: true})
}

// messageError returns the error of one message. A failure of its channel is the server's where all
// messages go to the same one.
func (s *sink) messageError(err error) error {
	_, literal := s.opts.Channel.Literal()
	return redisconn.TooLarge(err, redisconn.Unavailable(err, s.wrap(err), redisconn.Command{SingleEvent: true, FixedKeys: literal}))
}

func (s *sink) wrap(err error) error { return fmt.Errorf("redis at %s: %w", s.opts.URL, err) }
