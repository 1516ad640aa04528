package redisstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
)

// group reads what the others of a consumer group do not.
type group struct {
	*reader
	consumers string // the key that has the token of each consumer
	token     string
	// history is where to go on in what this consumer has got before and not acked;
	// "" behind its end.
	history string
	looked  time.Time // for consumers that are gone
	told    string    // the last entry of the group before which entries were missing
}

func newGroup(r *reader) *group {
	return &group{reader: r, consumers: redisconn.Beside(r.s.opts.Stream, ":group:"+r.s.opts.Group), history: first}
}

func (g *group) begin(ctx context.Context) (missed string, err error) {
	o := g.s.opts
	from := map[string]string{"new": "$", "start": first}[o.From]
	if from == "" {
		from = o.From
	}
	again := g.s.last != nil // it was there: what came since is not to be missed
	if again {
		from = first
	}
	err = g.client.XGroupCreateMkStream(ctx, o.Stream, o.Group, from).Err()
	switch {
	case redis.HasErrorPrefix(err, "BUSYGROUP"): // it is there
	case err != nil:
		return "", err
	case again:
		missed = fmt.Sprintf("the group %s was gone: the stream is read from its start", o.Group)
	}
	n, err := g.client.HIncrBy(ctx, g.consumers, o.Consumer, 1).Result()
	g.token = fmt.Sprint(n)
	return missed, err
}

func (g *group) read(ctx context.Context) (p page, err error) {
	if g.history != "" {
		if p, err = g.old(ctx); err != nil || len(p.entries)+len(p.refused) > 0 || p.missed != "" {
			return p, err
		}
	}
	if time.Since(g.looked) >= g.s.opts.ClaimAfter.D()/4 {
		g.looked = time.Now()
		if p.missed, err = g.trimmed(ctx); err != nil {
			return page{}, err
		}
		claimed, err := g.claim(ctx)
		if err != nil {
			return page{}, err
		}
		if len(claimed) > 0 {
			g.looked = time.Time{} // there may be more
			missed := p.missed
			p, err = g.again(ctx, claimed)
			p.missed += missed
		}
		if err != nil || len(claimed) > 0 || p.missed != "" {
			return p, err
		}
	}
	p.entries, err = g.ask(ctx, ">", g.wait())
	p.more = len(p.entries) == maxEntries
	return p, err
}

// ask reads entries of the group: new ones (">"), or those which this consumer has got
// before, behind an ID. 0 does not wait.
func (g *group) ask(ctx context.Context, from string, wait time.Duration) ([]entry, error) {
	o := g.s.opts
	pipe := g.client.Pipeline()
	holder := pipe.HGet(ctx, g.consumers, o.Consumer)
	args := []any{"XREADGROUP", "GROUP", o.Group, o.Consumer, "COUNT", maxEntries}
	if wait > 0 {
		args = append(args, "BLOCK", wait.Milliseconds())
	}
	read := redis.NewCmd(ctx, append(args, "STREAMS", o.Stream, from)...)
	read.SetFirstKeyPos(int8(len(args) + 1))
	_ = pipe.Process(ctx, read)
	_, _ = pipe.Exec(ctx) // each command has its own error
	if err := holder.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	answer, err := read.Result()
	if errors.Is(err, redis.Nil) {
		answer, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if holder.Val() != g.token { // what it has read now is the other's history
		return nil, errTakenOver
	}
	if answer == nil {
		return nil, nil
	}
	return ofStream(answer)
}

// old reads what this consumer got before and has not acked.
func (g *group) old(ctx context.Context) (page, error) {
	found, err := g.ask(ctx, g.history, 0)
	if err != nil {
		return page{}, err
	}
	if len(found) == 0 {
		g.history = ""
		return page{}, nil
	}
	g.history = found[len(found)-1].id
	return g.again(ctx, found)
}

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
		if err := g.client.XAck(ctx, g.s.opts.Stream, g.s.opts.Group, gone...).Err(); err != nil {
			return page{}, err
		}
	}
	often, err := g.often(ctx, found)
	if err != nil {
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

// alive reads behind the end of its history: there is nothing, but Redis notes the time.
// (Redis takes the very last ID for ">".)
func (g *group) alive(ctx context.Context) error {
	_, err := g.ask(ctx, fmt.Sprintf("%d-0", uint64(math.MaxUint64)), 0)
	return err
}

func (g *group) save(ctx context.Context) error {
	g.mu.Lock()
	ids := g.delivered
	g.delivered = nil
	g.mu.Unlock()
	for len(ids) > 0 {
		n := min(len(ids), maxEntries)
		if err := g.client.XAck(ctx, g.s.opts.Stream, g.s.opts.Group, ids[:n]...).Err(); err != nil {
			g.mu.Lock()
			g.delivered = append(ids, g.delivered...)
			g.mu.Unlock()
			return err
		}
		ids = ids[n:]
	}
	return nil
}
