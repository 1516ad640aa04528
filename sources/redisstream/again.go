package redisstream

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
)

// again sorts entries that were delivered before: those that are gone, those that were
// delivered too often, and the others.
func (g *group) again(ctx context.Context, found []entry) (p page, err error) {
	var gone []string
	found = slices.DeleteFunc(found, func(e entry) bool {
		if e.gone {
			gone = append(gone, e.id)
		}
		return e.gone
	})
	if len(gone) > 0 {
		p.missed = fmt.Sprintf("%d entries were trimmed before they were acked", len(gone))
		if err := g.ack(ctx, gone); err != nil {
			return page{}, err
		}
	}
	often, err := g.often(ctx, found)
	if err != nil {
		return page{}, err
	}
	if err := g.remember(ctx, found); err != nil {
		return page{}, err
	}
	for _, e := range found {
		if often[e.id] {
			p.refused = append(p.refused, e)
		} else {
			p.entries = append(p.entries, e)
		}
	}
	return p, nil
}

// remember adds what was saved of failed attempts to deliver entries.
func (g *group) remember(ctx context.Context, found []entry) error {
	if len(found) == 0 {
		return nil
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = e.id
	}
	saved, err := g.client.HMGet(ctx, g.trials, ids...).Result()
	if err != nil {
		return err
	}
	for i, value := range saved {
		if text, ok := value.(string); ok {
			found[i].tried = parseTried(text)
		}
	}
	return nil
}

// formatTried is how Redis keeps it: attempts, and Unix milliseconds.
func formatTried(t event.Attempts) string { return fmt.Sprintf("%d %d", t.Failed, t.Last.UnixMilli()) }

func parseTried(text string) *event.Attempts {
	n, at, _ := strings.Cut(text, " ")
	attempts, err := strconv.Atoi(n)
	ms, err2 := strconv.ParseInt(at, 10, 64)
	if err != nil || err2 != nil {
		return nil // nobody else writes there
	}
	return &event.Attempts{Failed: attempts, Last: time.UnixMilli(ms)}
}

// save stores what was delivered, and what has failed.
func (g *group) save(ctx context.Context) error {
	taken := g.ledger.Collect()
	err := g.store(ctx, taken.Acked, taken.Attempts)
	if err != nil {
		g.ledger.Restore(taken)
	}
	return err
}

// storeTried keeps attempts, but not of entries that somebody else has delivered meanwhile.
// KEYS: the stream, and the attempts. ARGV: the group; ID, attempts ...
var storeTried = redis.NewScript(`
for i = 2, #ARGV, 2 do
	if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1) > 0 then
		redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
	end
end
return 0`)

func (g *group) store(ctx context.Context, ids []string, tried map[string]event.Attempts) error {
	if len(tried) > 0 {
		values := append(make([]any, 0, 2*len(tried)+1), g.s.opts.Group)
		for id, t := range tried {
			values = append(values, id, formatTried(t))
		}
		if err := storeTried.Run(ctx, g.client, []string{g.s.opts.Stream, g.trials}, values...).Err(); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(ids, maxEntries) { // acking twice does no harm
		if err := g.ack(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// ack forgets entries, with all that is known of them.
func (g *group) ack(ctx context.Context, ids []string) error {
	_, err := g.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.XAck(ctx, g.s.opts.Stream, g.s.opts.Group, ids...)
		pipe.HDel(ctx, g.trials, ids...)
		return nil
	})
	return err
}
