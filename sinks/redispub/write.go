package redispub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

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
	eval       expr.Evaluator
	gapsDenied bool // it was denied to publish gaps, and has logged that
}

// publish numbers and publishes a batch in one step, so that numbers are in channel order also with
// several publishers. KEYS: the counter, and the highest term of the leadership. ARGV: the term or
// "", the field with its colon, then for each message its channel, and its object without the
// closing brace. It returns the messages that were refused, each with its error; the others are
// published. It refuses a whole batch of a leader whose term is over: its messages would come
// between those of its successor.
var publish = redisconn.FencedScript(2, `
local count, failed = (#ARGV - 2) / 2, {}
local id = redis.call('INCRBY', KEYS[1], count) - count
for i = 1, count do
	local object = ARGV[2 * i + 2]
	local comma = object == '{' and '' or ','
	local answer = redis.pcall('PUBLISH', ARGV[2 * i + 1], object .. comma .. ARGV[2] .. string.format('%.0f', id + i) .. '}')
	if type(answer) == 'table' and answer.err then
		failed[#failed + 1] = i
		failed[#failed + 1] = answer.err
	end
end
return failed`)

var errReserved = fmt.Errorf("channels that begin with %s are reserved for gaps: choose another name", redisconn.SharedGapChannel)

var errNoObject = errors.New("sequence needs a JSON object; put a json transform before the sink")

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

func (s *sink) writeNumbered(ctx context.Context, events []*event.Event) error {
	failed := map[int]error{}
	for from := 0; from < len(events); {
		to := redisconn.ChunkEnd(events, from, redisconn.TermEnd(events, from))
		err := s.publish(ctx, events[from:to], func(i int, err error) { failed[from+i] = err })
		if plugin.IsUnavailable(err) {
			for i := to; i < len(events); i++ { // later events must not overtake failed ones
				failed[i] = err
			}
			break
		}
		from = to
	}
	return plugin.Failed(failed)
}

// publish publishes events of one term. It returns an error that all of them have; fail gets it,
// too.
func (s *sink) publish(ctx context.Context, events []*event.Event, fail func(int, error)) error {
	key, term := s.opts.Sequence.Key, ""
	keys := []string{key, key}
	if f := events[0].Fence; f != nil {
		term = strconv.FormatInt(f.Term, 10)
		keys[1] = redisconn.SameSlotKey(key, ":term:"+f.Leader)
	}
	args := make([]any, 2, 2+2*len(events))
	args[0], args[1] = term, s.field
	var sent []int // indexes of the events in the script's arguments
	for i, e := range events {
		channel, err := s.channel(e)
		object := bytes.TrimSpace(e.Data)
		if n := len(object); err == nil && (n < 2 || object[0] != '{' || object[n-1] != '}') {
			err = errNoObject
		}
		if err == nil {
			err = redisconn.CheckSize(len(object))
		}
		if err != nil {
			fail(i, plugin.Permanent(err))
			continue
		}
		args = append(args, channel, bytes.TrimSpace(object[:len(object)-1]))
		sent = append(sent, i)
	}
	if len(sent) == 0 {
		return nil
	}
	refused, err := publish.Run(ctx, s.client, keys, args...).Slice()
	if err != nil && len(sent) == 1 {
		err = redisconn.RetryLarge(ctx, s.client, len(events[sent[0]].Data), err, func() error {
			refused, err = publish.Run(ctx, s.client, keys, args...).Slice()
			return err
		})
	}
	if err != nil {
		err = redisconn.Fenced(err, s.serverError(err))
		for _, i := range sent {
			fail(i, err)
		}
	}
	for n := 0; n+1 < len(refused); n += 2 {
		if i, ok := refused[n].(int64); ok && i >= 1 && int(i) <= len(sent) {
			fail(sent[i-1], s.messageError(redisconn.ReplyError(fmt.Sprint(refused[n+1]))))
		}
	}
	return err
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
