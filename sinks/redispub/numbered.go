package redispub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// publish numbers and publishes a batch in one step, so that numbers are in channel order also with
// several publishers. KEYS: the counter, and the highest term of the leadership. ARGV: the term or
// "", the counter that the sink expects, then for each message its channel, and the message with the number
// that follows from that. Where others have counted meanwhile, the script replaces the numbers, which is slower.
// It returns the counter, and the messages that were refused, each with its error; the others are
// published. It refuses a whole batch of a leader whose term is over: its messages would come
// between those of its successor.
var publish = redisconn.FencedScript(2, `
local count, argv, pcall = (#ARGV - 2) / 2, ARGV, redis.pcall
local id = redis.call('INCRBY', KEYS[1], count)
local expected = tonumber(ARGV[2]) + count == id
local result = {string.format('%.0f', id)}
for i = 1, count do
	local message = argv[2 * i + 2]
	if not expected then
		message = string.match(message, '.*:') .. string.format('%.0f', id - count + i) .. '}'
	end
	local answer = pcall('PUBLISH', argv[2 * i + 1], message)
	if type(answer) == 'table' and answer.err then
		result[#result + 1] = i
		result[#result + 1] = answer.err
	end
end
return result`)

// maxScratch bounds the memory that is kept for the next write, in bytes.
const maxScratch = 1 << 20

var errNoObject = errors.New("sequence needs a JSON object; put a json transform before the sink")

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
	args[0], args[1] = term, s.counter
	sent := make([]int, 0, len(events)) // indexes of the events in the script's arguments
	messages := s.messages[:0]
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
		sent = append(sent, i)
		begin := len(messages)
		messages = s.appendNumbered(messages, object, s.counter+int64(len(sent)))
		args = append(args, channel, messages[begin:])
	}
	if cap(messages) <= maxScratch {
		s.messages = messages
	}
	if len(sent) == 0 {
		return nil
	}
	result, err := publish.Run(ctx, s.client, keys, args...).Slice()
	if err != nil && len(sent) == 1 {
		err = redisconn.RetryLarge(ctx, s.client, len(events[sent[0]].Data), err, func() error {
			result, err = publish.Run(ctx, s.client, keys, args...).Slice()
			return err
		})
	}
	if err != nil {
		err = redisconn.Fenced(err, s.serverError(err))
		for _, i := range sent {
			fail(i, err)
		}
	}
	if len(result) > 0 {
		s.counter, _ = strconv.ParseInt(fmt.Sprint(result[0]), 10, 64)
	}
	for n := 1; n+1 < len(result); n += 2 {
		if i, ok := result[n].(int64); ok && i >= 1 && int(i) <= len(sent) {
			fail(sent[i-1], s.messageError(redisconn.ReplyError(fmt.Sprint(result[n+1]))))
		}
	}
	return err
}

// appendNumbered appends a JSON object with its number as the last field.
func (s *sink) appendNumbered(dst, object []byte, number int64) []byte {
	begin := len(dst)
	dst = append(dst, bytes.TrimSpace(object[:len(object)-1])...)
	if len(dst) > begin+1 {
		dst = append(dst, ',')
	}
	return append(strconv.AppendInt(append(dst, s.field...), number, 10), '}')
}
