package redisstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// maxFields is the maximum of attributes of an entry: Lua limits the arguments of a command.
const maxFields = 1000

// streamBatch holds the events of a write that go to one stream.
type streamBatch struct {
	stream  string
	events  []*event.Event
	indexes []int // of the events in the write
}

// Write is part of [plugin.Sink]: one round trip for all streams.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	failed := map[int]error{}
	failedStreams := map[string]error{} // later events of these streams must not overtake
	var serverErr error                 // nothing more is sent
	fail := func(g streamBatch, err error) {
		g.fail(failed, err)
		if err != nil && !plugin.IsPermanent(err) {
			failedStreams[g.stream] = err
		}
		if plugin.IsUnavailable(err) {
			serverErr = err
		}
	}
	for from := 0; from < len(events); {
		to := redisconn.ChunkEnd(events, from, redisconn.TermEnd(events, from))
		var batches []streamBatch
		for _, g := range s.split(events, from, to, failed) {
			err := serverErr
			if err == nil {
				err = failedStreams[g.stream]
			}
			if err == nil {
				g, err = s.skipAppended(ctx, g)
			}
			if err == nil && len(g.events) > 0 {
				batches = append(batches, g)
			}
			fail(g, err)
		}
		results := s.send(ctx, batches)
		if to == from+1 && len(batches) == 1 {
			results[0].err = redisconn.RetryLarge(ctx, s.client, len(events[from].Data), results[0].err, func() error {
				results = s.send(ctx, batches)
				return results[0].err
			})
		}
		for i, r := range results {
			batches[i].indexes = batches[i].indexes[r.appended:]
			fail(batches[i], r.err)
		}
		from = to
	}
	return plugin.Failed(failed)
}

// skipAppended returns a batch without the events that are in the stream already. That matters where
// the reply to an earlier batch was lost, and this one differs: Redis recognizes a retry of the same
// batch by its number.
func (s *sink) skipAppended(ctx context.Context, g streamBatch) (streamBatch, error) {
	earlier, ok := s.unconfirmed[g.stream]
	if !ok || slices.Equal(earlier.events, g.events) {
		return g, nil
	}
	n, err := closeBatch.Run(ctx, s.client, []string{s.noteKey(g.stream)}, earlier.number).Int()
	if err != nil {
		return g, s.streamError(err)
	}
	delete(s.unconfirmed, g.stream)
	rest := streamBatch{stream: g.stream}
	for i, e := range g.events {
		if !slices.Contains(earlier.events[:min(n, len(earlier.events))], e) {
			rest.events, rest.indexes = append(rest.events, e), append(rest.indexes, g.indexes[i])
		}
	}
	return rest, nil
}

// noteKey returns the key, beside a stream, of this writer's latest batch.
func (s *sink) noteKey(stream string) string {
	return redisconn.SameSlotKey(stream, ":writer:"+s.writer)
}

// fail records the error of all events of the batch.
func (g streamBatch) fail(failed map[int]error, err error) {
	if err == nil {
		return
	}
	for _, i := range g.indexes {
		failed[i] = err
	}
}

// split sorts events by the stream that they go to.
func (s *sink) split(events []*event.Event, from, to int, failed map[int]error) (batches []streamBatch) {
	for i := from; i < to; i++ {
		stream, err := s.stream(events[i])
		if n := len(events[i].Attrs); err == nil && n > maxFields {
			err = fmt.Errorf("the event has %d attributes: an entry can have %d", n, maxFields)
		}
		if err == nil {
			err = redisconn.CheckSize(len(events[i].Data))
		}
		if err != nil {
			failed[i] = plugin.Permanent(err)
			continue
		}
		n := slices.IndexFunc(batches, func(g streamBatch) bool { return g.stream == stream })
		if n < 0 {
			n = len(batches)
			batches = append(batches, streamBatch{stream: stream})
		}
		batches[n].events = append(batches[n].events, events[i])
		batches[n].indexes = append(batches[n].indexes, i)
	}
	return batches
}

// stream returns the stream of an event.
func (s *sink) stream(e *event.Event) (string, error) {
	if text, ok := s.opts.Stream.Literal(); ok {
		return text, nil
	}
	b, err := s.eval.Append(nil, s.opts.Stream, e)
	if err == nil && len(b) == 0 {
		err = fmt.Errorf("template `%s`: the stream's name is empty", s.opts.Stream)
	}
	return string(b), err
}

// result is the result of a batch: how many of its first events were appended, and why the others
// were not.
type result struct {
	appended int
	err      error
}

// send appends batches, in one round trip.
func (s *sink) send(ctx context.Context, batches []streamBatch) []result {
	results := make([]result, len(batches))
	commands := make([]*redis.Cmd, len(batches))
	pipe := s.client.Pipeline()
	for i, g := range batches {
		keys, args := s.arguments(g)
		commands[i] = appendBatch.EvalSha(ctx, pipe, keys, args...)
	}
	var err error
	if len(batches) > 0 {
		_, err = pipe.Exec(ctx)
	}
	for i, c := range commands {
		if redis.HasErrorPrefix(c.Err(), "NOSCRIPT") {
			keys, args := s.arguments(batches[i])
			c = appendBatch.Eval(ctx, s.client, keys, args...)
		}
		results[i] = s.classify(batches[i].stream, c, redisconn.CommandError(c, err))
	}
	return results
}

// arguments returns the keys and arguments of the script. A retry of an unconfirmed batch keeps its
// number.
func (s *sink) arguments(g streamBatch) (keys []string, args []any) {
	batch, ok := s.unconfirmed[g.stream]
	if !ok {
		s.number++
		batch = sentBatch{number: s.number, events: g.events}
		s.unconfirmed[g.stream] = batch
	}
	term := ""
	keys = []string{g.stream, s.noteKey(g.stream), ""}
	keys[2] = keys[1]
	if f := g.events[0].Fence; f != nil {
		term = strconv.FormatInt(f.Term, 10)
		keys[2] = redisconn.SameSlotKey(g.stream, ":term:"+f.Leader)
	}
	args = make([]any, 0, 4+len(g.events)*13)
	args = append(args, term, batch.number, s.opts.Maxlen, len(g.events))
	for _, e := range g.events {
		args = appendEntry(args, e)
	}
	return keys, args
}

// classify returns the result of a command, and updates unconfirmed. Only an error reply proves that
// a batch was not appended. It proves nothing about an earlier attempt whose reply was lost.
func (s *sink) classify(stream string, c *redis.Cmd, err error) result {
	var reply redis.Error
	batch := s.unconfirmed[stream]
	switch {
	case err == nil || errors.As(err, &reply) && !batch.lost:
		delete(s.unconfirmed, stream)
	case reply == nil:
		batch.lost = true
		s.unconfirmed[stream] = batch
	}
	if refused, _ := c.Slice(); len(refused) == 2 {
		appended, _ := refused[0].(int64)
		return result{int(appended), s.streamError(redisconn.ReplyError(fmt.Sprint(refused[1])))}
	}
	return result{0, redisconn.Fenced(err, s.streamError(err))}
}

// streamError returns an error of the server, marked where the server has failed. All of them are
// retried, except FENCED. A failure of the stream's keys is the server's where all events go to the
// same one.
func (s *sink) streamError(err error) error {
	_, literal := s.opts.Stream.Literal()
	return redisconn.Unavailable(err, s.wrap(err), redisconn.Command{FixedKeys: literal})
}

func (s *sink) wrap(err error) error { return fmt.Errorf("redis at %s: %w", s.opts.URL, err) }
