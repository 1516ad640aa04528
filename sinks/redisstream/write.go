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

// maxFields is how many attributes an entry may have: the server's Lua can pass on only so
// many.
const maxFields = 1000

// group is the events of a write that go to one stream.
type group struct {
	stream string
	events []*event.Event
	at     []int // where they stand in the write
}

// Write is part of [plugin.Sink]: one round trip, whatever the streams.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	failed := map[int]error{}
	stuck := map[string]error{} // streams on which nothing may overtake what has failed
	var away error              // why nothing more is sent
	note := func(g group, err error) {
		g.fail(failed, err)
		if err != nil && !plugin.IsPermanent(err) {
			stuck[g.stream] = err
		}
		if plugin.IsUnavailable(err) {
			away = err
		}
	}
	for from := 0; from < len(events); { // a batch is of one term, but for the moment at which it changes
		to := from + 1
		for to < len(events) && events[to].Fence == events[from].Fence {
			to++
		}
		to = redisconn.ChunkEnd(from, to, func(i int) int { return len(events[i].Data) })
		var groups []group
		for _, g := range s.group(events, from, to, failed) {
			err := away
			if err == nil {
				err = stuck[g.stream]
			}
			if err == nil {
				g, err = s.settle(ctx, g)
			}
			if err == nil && len(g.events) > 0 {
				groups = append(groups, g)
			}
			note(g, err)
		}
		results := s.send(ctx, groups)
		if to == from+1 && len(groups) == 1 {
			results[0].err = redisconn.RetryLarge(ctx, s.client, len(events[from].Data), results[0].err, func() error {
				results = s.send(ctx, groups)
				return results[0].err
			})
		}
		for i, r := range results {
			groups[i].at = groups[i].at[r.appended:]
			note(groups[i], r.err)
		}
		from = to
	}
	return plugin.Failed(failed)
}

// settle returns a group without the events that are in the stream already. Where the answer to
// a batch was lost, and another one comes now, Redis is asked how far that one got: the same
// batch would be known by its number.
func (s *sink) settle(ctx context.Context, g group) (group, error) {
	before, ok := s.unsure[g.stream]
	if !ok || slices.Equal(before.events, g.events) {
		return g, nil
	}
	n, err := closeBatch.Run(ctx, s.client, []string{s.noteKey(g.stream)}, before.number).Int()
	if err != nil {
		return g, s.ofStream(err)
	}
	delete(s.unsure, g.stream)
	rest := group{stream: g.stream}
	for i, e := range g.events {
		if !slices.Contains(before.events[:min(n, len(before.events))], e) {
			rest.events, rest.at = append(rest.events, e), append(rest.at, g.at[i])
		}
	}
	return rest, nil
}

// noteKey is the key of what this writer notes beside a stream.
func (s *sink) noteKey(stream string) string { return redisconn.SameSlotKey(stream, ":writer:"+s.writer) }

func (g group) fail(failed map[int]error, err error) {
	if err == nil {
		return
	}
	for _, i := range g.at {
		failed[i] = err
	}
}

// group sorts events by the stream that they go to.
func (s *sink) group(events []*event.Event, from, to int, failed map[int]error) (groups []group) {
	for i := from; i < to; i++ {
		stream, err := s.stream(events[i])
		if n := len(events[i].Attrs); err == nil && n > maxFields {
			err = fmt.Errorf("the event has %d attributes: an entry takes %d", n, maxFields)
		}
		if err == nil {
			err = redisconn.CheckSize(len(events[i].Data))
		}
		if err != nil {
			failed[i] = plugin.Permanent(err)
			continue
		}
		n := slices.IndexFunc(groups, func(g group) bool { return g.stream == stream })
		if n < 0 {
			n = len(groups)
			groups = append(groups, group{stream: stream})
		}
		groups[n].events = append(groups[n].events, events[i])
		groups[n].at = append(groups[n].at, i)
	}
	return groups
}

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

// result is what became of a group: so many of its first events were appended, and why the
// others were not.
type result struct {
	appended int
	err      error
}

// send appends each group.
func (s *sink) send(ctx context.Context, groups []group) []result {
	results := make([]result, len(groups))
	commands := make([]*redis.Cmd, len(groups))
	pipe := s.client.Pipeline()
	for i, g := range groups {
		keys, args := s.arguments(g)
		commands[i] = appendBatch.EvalSha(ctx, pipe, keys, args...)
	}
	var err error
	if len(groups) > 0 {
		_, err = pipe.Exec(ctx)
	}
	for i, c := range commands {
		if redis.HasErrorPrefix(c.Err(), "NOSCRIPT") {
			keys, args := s.arguments(groups[i])
			c = appendBatch.Eval(ctx, s.client, keys, args...)
		}
		results[i] = s.verdict(groups[i].stream, c, redisconn.CommandError(c, err))
	}
	return results
}

// arguments are those of the script for a group. One that was sent before and had no
// answer gets the number that it had then.
func (s *sink) arguments(g group) (keys []string, args []any) {
	before, ok := s.unsure[g.stream]
	if !ok {
		s.number++
		before = sent{number: s.number, events: g.events}
		s.unsure[g.stream] = before
	}
	term := ""
	keys = []string{g.stream, s.noteKey(g.stream), ""}
	keys[2] = keys[1]
	if f := g.events[0].Fence; f != nil {
		term = strconv.FormatInt(f.Term, 10)
		keys[2] = redisconn.SameSlotKey(g.stream, ":term:"+f.Leader)
	}
	args = make([]any, 0, 4+len(g.events)*13)
	args = append(args, term, before.number, s.opts.Maxlen, len(g.events))
	for _, e := range g.events {
		args = appendEntry(args, e)
	}
	return keys, args
}

// verdict notes what is known of a group after its command. Only an answer of the server says
// that it was not appended; and one that refuses to look says nothing of a time before, whose
// answer was lost.
func (s *sink) verdict(stream string, c *redis.Cmd, err error) result {
	var answer redis.Error
	batch := s.unsure[stream]
	switch {
	case err == nil || errors.As(err, &answer) && !batch.lost:
		delete(s.unsure, stream)
	case answer == nil:
		batch.lost = true
		s.unsure[stream] = batch
	}
	if refused, _ := c.Slice(); len(refused) == 2 {
		appended, _ := refused[0].(int64)
		return result{int(appended), s.ofStream(redisconn.ReplyError(fmt.Sprint(refused[1])))}
	}
	return result{0, redisconn.Fenced(err, s.ofStream(err))}
}

// ofStream says where an error comes from. All errors of the server but FENCED are worth a retry:
// they can be mended while the events wait. What it says of the stream's keys holds for all
// events where they go to the same one.
func (s *sink) ofStream(err error) error {
	_, literal := s.opts.Stream.Literal()
	return redisconn.Unavailable(err, s.wrap(err), redisconn.Command{FixedKeys: literal})
}

func (s *sink) wrap(err error) error { return fmt.Errorf("redis at %s: %w", s.opts.URL, err) }
