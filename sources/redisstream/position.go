package redisstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/inflight"
)

// position is the place after an entry. number counts the entries that the stream has had up to
// it; -1 if unknown.
type position struct {
	id     string
	number int64
	read   bool // the entry was read: it was in the stream
}

// storeScript stores a position, and returns 1. It returns 0 where another reader has taken over,
// and 2 where the position in Redis is not the one stored last, or the stream was rolled back.
// KEYS: the position, and the stream. ARGV: the token, the position, its number, the entry that
// was read last, or "", the positions that Redis may have, and the acked spans above the position.
var storeScript = redis.NewScript(rollbackLua + `
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then return 0 end
local id = redis.call('HGET', KEYS[1], 'id')
if id and id ~= ARGV[2] and id ~= ARGV[5] and id ~= ARGV[6] or rolled_back(KEYS[2], ARGV[4]) then return 2 end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'id', ARGV[2], 'number', ARGV[3], 'settled', ARGV[7])
return 1`)

// begin loads the position, or chooses one where none is stored.
func (f *fanout) begin(ctx context.Context) (gap string, err error) {
	f.at = f.tracker.Acked() // of the previous run
	if f.key != "" {
		n, err := f.client.HIncrBy(ctx, f.key, "token", 1).Result()
		if err != nil {
			return "", err
		}
		f.token = fmt.Sprint(n)
		saved, err := f.client.HMGet(ctx, f.key, "id", "number", "settled").Result()
		if err != nil {
			return "", err
		}
		if id, ok := saved[0].(string); ok {
			f.stored = [2]string{id, id}
			f.at = position{id: id, number: -1}
			text, _ := saved[2].(string)
			if f.ahead.spans, err = parseSpans(text); err != nil {
				return "", fmt.Errorf("the position in %s cannot be read: %w", f.key, err)
			}
			f.ahead.spans = slices.DeleteFunc(f.ahead.spans, func(s inflight.Span[position]) bool { return !idBefore(id, s.Last.id) })
			if text, ok := saved[1].(string); ok {
				if f.at.number, err = strconv.ParseInt(text, 10, 64); err != nil {
					return "", fmt.Errorf("the position in %s cannot be read: %w", f.key, err)
				}
			}
		}
	}
	if f.at.id != "" && f.key == "" { // no command was sent yet: check that the server can be reached
		return "", f.client.Exists(ctx, f.s.opts.Stream).Err()
	}
	if f.at.id != "" {
		f.tracker.Reset(f.at)
		return "", nil
	}
	info, err := f.client.XInfoStream(ctx, f.s.opts.Stream).Result()
	var reply redis.Error
	if errors.As(err, &reply) && reply.Error() == "ERR no such key" {
		info, err = &redis.XInfoStream{LastGeneratedID: startID}, nil
	}
	if err != nil {
		return "", err
	}
	from := f.s.opts.From
	if f.s.historyChanged {
		from = "start" // no position of this history is known
	}
	switch from {
	case "start":
		f.at = position{id: startID, number: info.EntriesAdded - info.Length}
	case "new": // entries may have been appended since an earlier reader stopped
		if info.LastGeneratedID != startID {
			gap = noPositionGap
		}
		f.at = position{id: info.LastGeneratedID, number: info.EntriesAdded}
		if info.LastGeneratedID == "" { // a server that is compatible in part
			f.at = position{id: cmp.Or(info.LastEntry.ID, startID), number: -1}
		}
	default:
		f.at = position{id: from, number: -1}
	}
	// Stored at once: a restart before the first ack then misses nothing.
	f.tracker.Advance(f.at)
	return gap, f.save(ctx)
}

// save stores the position, unless it has not changed.
func (f *fanout) save(ctx context.Context) error {
	if f.key == "" {
		return nil
	}
	if !f.tracker.StartCheckpoint() {
		return nil
	}
	at, above := f.ackedPositions()
	expected, lastRead := f.stored, ""
	if at.read {
		lastRead = at.id
	}
	f.stored[1] = at.id // Redis may store it although the reply is lost
	stored, err := storeScript.Run(ctx, f.client, []string{f.key, f.s.opts.Stream}, f.token, at.id, at.number, lastRead, expected[0], expected[1], formatSpans(above)).Int()
	switch {
	case err != nil:
		f.tracker.CheckpointFailed()
		return err
	case stored == 0:
		return errTakenOver
	case stored == 2:
		return errPositionChanged
	}
	f.stored[0] = at.id
	return nil
}
