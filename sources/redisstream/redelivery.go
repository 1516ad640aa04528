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

// sortRedelivered sorts entries that were delivered before. Deleted ones become a gap, those beyond
// max_deliveries are refused, and the others are emitted again.
func (g *group) sortRedelivered(ctx context.Context, found []entry) (p page, err error) {
	var deleted []string
	found = slices.DeleteFunc(found, func(e entry) bool {
		if e.deleted {
			deleted = append(deleted, e.id)
		}
		return e.deleted
	})
	if len(deleted) > 0 {
		p.gap = fmt.Sprintf("%d entries were trimmed before they were acked", len(deleted))
		if err := g.ack(ctx, deleted); err != nil {
			return page{}, err
		}
	}
	refused, err := g.overDelivered(ctx, found)
	if err != nil {
		return page{}, err
	}
	if err := g.loadAttempts(ctx, found); err != nil {
		return page{}, err
	}
	for _, e := range found {
		if refused[e.id] {
			p.refused = append(p.refused, e)
		} else {
			p.entries = append(p.entries, e)
		}
	}
	return p, nil
}

// overDelivered returns the IDs of entries of this consumer with more than max_deliveries deliveries.
func (g *group) overDelivered(ctx context.Context, found []entry) (map[string]bool, error) {
	o := g.s.opts
	if o.MaxDeliveries == 0 || len(found) == 0 {
		return nil, nil
	}
	pipe := g.client.Pipeline()
	for _, e := range found { // claimed entries are no range of IDs
		pipe.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: o.Stream, Group: o.Group, Start: e.id, End: e.id, Count: 1, Consumer: o.Consumer})
	}
	replies, err := pipe.Exec(ctx)
	if err != nil {
		return nil, err
	}
	refused := map[string]bool{}
	for _, reply := range replies {
		for _, p := range reply.(*redis.XPendingExtCmd).Val() {
			refused[p.ID] = p.RetryCount > int64(o.MaxDeliveries)
		}
	}
	return refused, nil
}

// loadAttempts adds the stored failed attempts to entries.
func (g *group) loadAttempts(ctx context.Context, found []entry) error {
	if len(found) == 0 {
		return nil
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = e.id
	}
	saved, err := g.client.HMGet(ctx, g.attemptsKey, ids...).Result()
	if err != nil {
		return err
	}
	for i, value := range saved {
		if text, ok := value.(string); ok {
			found[i].attempts = parseAttempts(text)
		}
	}
	return nil
}

// formatAttempts returns the form that is stored: failed attempts, and the time of the last in Unix
// milliseconds.
func formatAttempts(t event.Attempts) string {
	return fmt.Sprintf("%d %d", t.Failed, t.Last.UnixMilli())
}

// parseAttempts reads what formatAttempts has written.
func parseAttempts(text string) *event.Attempts {
	n, at, _ := strings.Cut(text, " ")
	attempts, err := strconv.Atoi(n)
	ms, err2 := strconv.ParseInt(at, 10, 64)
	if err != nil || err2 != nil {
		return nil // not written by a gateway
	}
	return &event.Attempts{Failed: attempts, Last: time.UnixMilli(ms)}
}

// save stores acks and failed attempts.
func (g *group) save(ctx context.Context) error {
	changes := g.tracker.Collect()
	err := g.store(ctx, changes.Acked, changes.Attempts)
	if err != nil {
		g.tracker.Restore(changes)
	}
	return err
}

// storeAttempts stores attempts, except those of entries that were acked meanwhile by another
// gateway. KEYS: the stream, and the attempts. ARGV: the group; ID, attempts ...
var storeAttempts = redis.NewScript(`
for i = 2, #ARGV, 2 do
	if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1) > 0 then
		redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
	end
end
return 0`)

func (g *group) store(ctx context.Context, ids []string, attempts map[string]event.Attempts) error {
	if len(attempts) > 0 {
		values := append(make([]any, 0, 2*len(attempts)+1), g.s.opts.Group)
		for id, t := range attempts {
			values = append(values, id, formatAttempts(t))
		}
		if err := storeAttempts.Run(ctx, g.client, []string{g.s.opts.Stream, g.attemptsKey}, values...).Err(); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(ids, maxEntries) { // a repeated ack changes nothing
		if err := g.ack(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// ack acks entries, and deletes their stored attempts.
func (g *group) ack(ctx context.Context, ids []string) error {
	_, err := g.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.XAck(ctx, g.s.opts.Stream, g.s.opts.Group, ids...)
		pipe.HDel(ctx, g.attemptsKey, ids...)
		return nil
	})
	return err
}
