package redisstream

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// A consumer is gone when it has sent no command for claim_after. The time that an entry waits for
// its ack does not count, for the sink may be slow. So XAUTOCLAIM, which counts it, is not used.

// removeConsumer removes a consumer that is gone, and has no entries.
var removeConsumer = redis.NewScript(`
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
	local info = {}
	for i = 1, #c, 2 do info[c[i]] = c[i + 1] end
	if info.name == ARGV[2] and info.pending == 0 and info.idle >= tonumber(ARGV[3]) then
		return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
	end
end
return 0`)

// claim takes over unacked entries of consumers that are gone, one batch at a time. found reports
// whether there were any.
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
			if err := removeConsumer.Run(ctx, g.client, []string{o.Stream}, o.Group, c.Name, o.ClaimAfter.D().Milliseconds()).Err(); err != nil {
				return p, false, err
			}
			continue
		}
		pending, err := g.client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: o.Stream, Group: o.Group, Start: "-", End: "+", Count: int64(g.s.count), Consumer: c.Name}).Result()
		if err != nil {
			return p, false, err
		}
		claimed, err := g.claimIdle(ctx, pending, o.ClaimAfter.D())
		if err != nil {
			return p, false, err
		}
		g.s.claimed.Add(float64(len(claimed)))
		if len(claimed) > 0 {
			p, err = g.sortRedelivered(ctx, claimed)
			return p, true, err
		}
	}
	return p, false, nil
}

// claimIdle claims entries that were idle for a time. Only one of several gateways gets each, since
// a claim ends the idle time. It returns deleted entries, too.
func (g *group) claimIdle(ctx context.Context, pending []redis.XPendingExt, idle time.Duration) (claimed []entry, err error) {
	if len(pending) == 0 {
		return nil, nil
	}
	o := g.s.opts
	args := []any{"XCLAIM", o.Stream, o.Group, o.Consumer, idle.Milliseconds()}
	for _, p := range pending {
		args = append(args, p.ID)
	}
	reply, err := g.client.Do(ctx, args...).Result()
	if err != nil {
		return nil, err
	}
	if claimed, err = entries(reply); err != nil {
		return nil, err
	}
	isClaimed := map[string]bool{}
	for _, e := range claimed {
		isClaimed[e.id] = true
	}
	pipe := g.client.Pipeline()
	var missing []string
	for _, p := range pending { // another gateway has claimed it, or it is deleted
		if !isClaimed[p.ID] {
			missing = append(missing, p.ID)
			pipe.XRange(ctx, o.Stream, p.ID, p.ID)
		}
	}
	if len(missing) == 0 {
		return claimed, nil
	}
	replies, err := pipe.Exec(ctx)
	if err != nil {
		return nil, err
	}
	for i, reply := range replies {
		if len(reply.(*redis.XMessageSliceCmd).Val()) == 0 {
			claimed = append(claimed, entry{id: missing[i], deleted: true})
		}
	}
	return claimed, nil
}
