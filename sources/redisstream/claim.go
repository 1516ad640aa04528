package redisstream

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// A consumer is dead when Redis hears nothing of it. How long an entry waits for its
// ack says nothing about that: a slow sink is not dead. So XAUTOCLAIM, which goes by
// entries, is not used.

// forget removes a consumer that is gone, and has nothing any more.
var forget = redis.NewScript(`
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
	local info = {}
	for i = 1, #c, 2 do info[c[i]] = c[i + 1] end
	if info.name == ARGV[2] and info.pending == 0 and info.idle >= tonumber(ARGV[3]) then
		redis.call('HDEL', KEYS[2], ARGV[2])
		return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
	end
end
return 0`)

// claim takes over what consumers that are gone have not acked, some at a time.
func (g *group) claim(ctx context.Context) ([]entry, error) {
	o := g.s.opts
	consumers, err := g.client.XInfoConsumers(ctx, o.Stream, o.Group).Result()
	if err != nil {
		return nil, err
	}
	for _, c := range consumers {
		if c.Name == o.Consumer || c.Idle < o.ClaimAfter.D() {
			continue
		}
		if c.Pending == 0 {
			if err := forget.Run(ctx, g.client, []string{o.Stream, g.consumers}, o.Group, c.Name, o.ClaimAfter.D().Milliseconds()).Err(); err != nil {
				return nil, err
			}
			continue
		}
		pending, err := g.client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: o.Stream, Group: o.Group, Start: "-", End: "+", Count: maxEntries, Consumer: c.Name}).Result()
		if err != nil {
			return nil, err
		}
		found, err := g.take(ctx, pending)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// take claims entries. Only one of several gateways gets each: for the next one they are
// not idle any more.
func (g *group) take(ctx context.Context, pending []redis.XPendingExt) ([]entry, error) {
	if len(pending) == 0 {
		return nil, nil
	}
	o := g.s.opts
	args := []any{"XCLAIM", o.Stream, o.Group, o.Consumer, o.ClaimAfter.D().Milliseconds()}
	for _, p := range pending {
		args = append(args, p.ID)
	}
	answer, err := g.client.Do(ctx, args...).Result()
	if err != nil {
		return nil, err
	}
	found, err := entries(answer)
	g.s.claimed.Add(float64(len(found)))
	return found, err
}

// often says which entries of this consumer were delivered too often.
func (g *group) often(ctx context.Context, found []entry) (map[string]bool, error) {
	o := g.s.opts
	if o.MaxDeliveries == 0 || len(found) == 0 {
		return nil, nil
	}
	pipe := g.client.Pipeline()
	for _, e := range found { // a claimed one may be anywhere: not one range
		pipe.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: o.Stream, Group: o.Group, Start: e.id, End: e.id, Count: 1, Consumer: o.Consumer})
	}
	answers, err := pipe.Exec(ctx)
	if err != nil {
		return nil, err
	}
	often := map[string]bool{}
	for _, a := range answers {
		for _, p := range a.(*redis.XPendingExtCmd).Val() {
			often[p.ID] = p.RetryCount > int64(o.MaxDeliveries)
		}
	}
	return often, nil
}

// behind returns the last entry that a group has got, and whether the stream was trimmed
// up to it, or beyond.
var behind = redis.NewScript(`
for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
	local info = {}
	for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
	if info.name == ARGV[1] then
		local last = info['last-delivered-id']
		if #redis.call('XRANGE', KEYS[1], last, last) > 0 then return {last, 0} end
		local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
		if #oldest == 0 or last == '0-0' then return {last, 0} end
		return {last, #redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', 1) == 0 and 1 or 0}
	end
end
return {'', 0}`)

// trimmed says why entries may be missing that nobody of the group got, or "".
func (g *group) trimmed(ctx context.Context) (missed string, err error) {
	answer, err := behind.Run(ctx, g.client, []string{g.s.opts.Stream}, g.s.opts.Group).Slice()
	if err != nil {
		return "", err
	}
	if len(answer) != 2 {
		return "", errAnswer
	}
	last := fmt.Sprint(answer[0])
	if answer[1] != int64(1) || g.told == last {
		return "", nil
	}
	g.told = last
	return "the stream was trimmed up to what the group has read, or beyond", nil
}
