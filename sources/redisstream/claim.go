package redisstream

import (
	"context"
	"time"

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
		return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
	end
end
return 0`)

// claim takes over what consumers that are gone have not acked, some at a time. It says
// whether it has found anything.
func (g *group) claim(ctx context.Context) (p page, found bool, err error) {
	o := g.s.opts
	consumers, err := g.client.XInfoConsumers(ctx, o.Stream, o.Group).Result()
	if err != nil {
		return p, false, err
	}
	for _, c := range consumers {
		if c.Name == o.Consumer || c.Idle < o.ClaimAfter.D() {
			continue
		}
		if c.Pending == 0 {
			if err := forget.Run(ctx, g.client, []string{o.Stream}, o.Group, c.Name, o.ClaimAfter.D().Milliseconds()).Err(); err != nil {
				return p, false, err
			}
			continue
		}
		pending, err := g.client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: o.Stream, Group: o.Group, Start: "-", End: "+", Count: int64(g.s.count), Consumer: c.Name}).Result()
		if err != nil {
			return p, false, err
		}
		claimed, err := g.take(ctx, pending, o.ClaimAfter.D())
		if err != nil {
			return p, false, err
		}
		g.s.claimed.Add(float64(len(claimed)))
		if len(claimed) > 0 {
			p, err = g.again(ctx, claimed)
			return p, true, err
		}
	}
	return p, false, nil
}

// take claims entries that were idle for so long. Only one of several gateways gets each:
// for the next one they are not idle any more. Those that are gone from the stream are among
// what it returns.
func (g *group) take(ctx context.Context, pending []redis.XPendingExt, idle time.Duration) (claimed []entry, err error) {
	if len(pending) == 0 {
		return nil, nil
	}
	o := g.s.opts
	args := []any{"XCLAIM", o.Stream, o.Group, o.Consumer, idle.Milliseconds()}
	for _, p := range pending {
		args = append(args, p.ID)
	}
	answer, err := g.client.Do(ctx, args...).Result()
	if err != nil {
		return nil, err
	}
	if claimed, err = entries(answer); err != nil {
		return nil, err
	}
	got := map[string]bool{}
	for _, e := range claimed {
		got[e.id] = true
	}
	pipe := g.client.Pipeline()
	var asked []string
	for _, p := range pending { // another gateway has it, or nobody any more
		if !got[p.ID] {
			asked = append(asked, p.ID)
			pipe.XRange(ctx, o.Stream, p.ID, p.ID)
		}
	}
	if len(asked) == 0 {
		return claimed, nil
	}
	answers, err := pipe.Exec(ctx)
	if err != nil {
		return nil, err
	}
	for i, a := range answers {
		if len(a.(*redis.XMessageSliceCmd).Val()) == 0 {
			claimed = append(claimed, entry{id: asked[i], gone: true})
		}
	}
	return claimed, nil
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
