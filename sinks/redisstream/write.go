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

// appendBatch appends a batch in one step, once. KEYS: the stream, the number of the last
// batch that this writer has appended, and the highest term of the leadership. ARGV: the
// term or "", the batch's number, the stream's length or 0, then for each entry how many
// arguments it has, and its fields. A batch that comes a second time, because its answer
// was lost, or late on a connection that was given up, is not appended again. A leader
// whose term is over is refused: what it still sends would come behind what its
// successor has appended.
//
// What is refused undoes nothing that came before it. So everything else is done before the
// first entry, and an entry that fails is answered with its number: those before it are in
// the stream, and those behind it are not.
var appendBatch = redis.NewScript(`
if ARGV[1] ~= '' then
	local known = redis.call('GET', KEYS[3])
	if known and tonumber(known) > tonumber(ARGV[1]) then
		return redis.error_reply('FENCED by the leader of term ' .. known)
	end
	redis.call('SET', KEYS[3], ARGV[1], 'EX', 86400)
end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[2]) then
	return {}
end
if ARGV[3] ~= '0' then
	redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[3])
end
redis.call('SET', KEYS[2], ARGV[2], 'EX', 3600)
local i, entry = 4, 0
while i <= #ARGV do
	local n = tonumber(ARGV[i])
	local answer = redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, i + 1, i + n))
	if type(answer) == 'table' and answer.err then
		return {entry, answer.err}
	end
	i, entry = i + n + 1, entry + 1
end
return {}`)

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
	stuck := map[string]error{}          // streams on which nothing may overtake what has failed
	for from := 0; from < len(events); { // a batch is of one term, but for the moment at which it changes
		to := from + 1
		for to < len(events) && events[to].Fence == events[from].Fence {
			to++
		}
		groups := s.group(events, from, to, failed)
		groups = slices.DeleteFunc(groups, func(g group) bool {
			err := stuck[g.stream]
			g.fail(failed, err)
			return err != nil
		})
		for i, r := range s.send(ctx, groups) {
			groups[i].at = groups[i].at[r.appended:]
			groups[i].fail(failed, r.err)
			if r.err != nil && !plugin.IsPermanent(r.err) {
				stuck[groups[i].stream] = r.err
			}
		}
		from = to
	}
	if len(failed) > 0 {
		return &plugin.Partial{Failed: failed}
	}
	return nil
}

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
	if len(groups) > 0 {
		_, _ = pipe.Exec(ctx) // each command has its own error
	}
	for i, c := range commands {
		if redis.HasErrorPrefix(c.Err(), "NOSCRIPT") {
			keys, args := s.arguments(groups[i])
			c = appendBatch.Eval(ctx, s.client, keys, args...)
		}
		results[i] = s.verdict(groups[i].stream, c)
	}
	return results
}

// arguments are those of the script for a group. One that was sent before and had no
// answer gets the number that it had then.
func (s *sink) arguments(g group) (keys []string, args []any) {
	before, ok := s.unsure[g.stream]
	if !ok || !slices.Equal(before.events, g.events) {
		s.number++
		before = sent{s.number, g.events}
		s.unsure[g.stream] = before
	}
	term := ""
	keys = []string{g.stream, redisconn.Beside(g.stream, ":writer:"+s.writer), ""}
	keys[2] = keys[1]
	if f := g.events[0].Fence; f != nil {
		term = strconv.FormatInt(f.Term, 10)
		keys[2] = redisconn.Beside(g.stream, ":term:"+f.Leader)
	}
	args = make([]any, 0, 3+len(g.events)*11)
	args = append(args, term, before.number, s.opts.Maxlen)
	for _, e := range g.events {
		args = appendEntry(args, e)
	}
	return keys, args
}

// appendEntry appends the number of an entry's arguments, and its fields.
func appendEntry(args []any, e *event.Event) []any {
	at := len(args)
	args = append(args, 0, "data", e.Data)
	if e.ID != "" {
		args = append(args, "id", e.ID)
	}
	if e.Key != "" {
		args = append(args, "key", e.Key)
	}
	for _, a := range e.Attrs {
		args = append(args, "attr."+a.Name, a.Value)
	}
	args[at] = len(args) - at - 1
	return args
}

// verdict notes what is known of a group after its command. Only an answer of the
// server says that it was not appended.
func (s *sink) verdict(stream string, c *redis.Cmd) result {
	err := c.Err()
	var answer redis.Error
	if err == nil || errors.As(err, &answer) {
		delete(s.unsure, stream)
	}
	if refused, _ := c.Slice(); len(refused) == 2 {
		appended, _ := refused[0].(int64)
		return result{int(appended), s.wrap(fmt.Errorf("%v", refused[1]))}
	}
	err = redisconn.Fenced(err, s.wrap(err))
	return result{0, err}
}

// wrap says where the error comes from. All errors of the server but FENCED are worth a
// retry: they can be mended while the events wait.
func (s *sink) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redis at %s: %w", s.opts.URL, err)
}
