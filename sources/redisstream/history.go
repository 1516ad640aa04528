package redisstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// HistoryID is part of [plugin.HistoryStore]. It names the stream, and not the server, because gateways may reach a server
// under different names. Two streams with one name differ by the IDs of their entries.
func (o *Options) HistoryID() (string, error) {
	if o.Group != "" {
		return "", errors.New("the members of a group share the entries, so each gateway has only a part of them: leave group out, and set name")
	}
	return "redis-stream " + o.Stream, nil
}

// ReadHistory is part of [plugin.HistorySource]. Redis finds the first entry by its time, so the length of the stream does
// not matter.
func (s *source) ReadHistory(ctx context.Context, since time.Time, take func([]*event.Event) error) error {
	if _, err := s.opts.HistoryID(); err != nil {
		return plugin.Permanent(err)
	}
	client := s.Config.NewClient()
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })() // a context does not end a read under way
	first := fmt.Sprintf("%d-0", max(since.UnixMilli(), 1))
	found, err := s.readRange(ctx, client, "XREVRANGE", "("+first, "-", 1) // the last one before
	for from, count := first, initialCount; err == nil; {
		if err = s.takeHistory(found, take); err != nil {
			return err
		}
		if found, err = s.readRange(ctx, client, "XRANGE", from, "+", count); len(found) == 0 {
			break
		}
		from, count = "("+found[len(found)-1].id, nextCount(count, found)
	}
	if err == nil {
		err = ctx.Err()
	}
	return s.wrap(err)
}

// takeHistory calls take with the events of entries.
func (s *source) takeHistory(found []entry, take func([]*event.Event) error) error {
	if len(found) == 0 {
		return nil
	}
	events := make([]*event.Event, len(found))
	for i, e := range found {
		events[i] = e.event(s.name, s.opts.Stream)
		events[i].Time = e.appendedAt()
	}
	return take(events)
}

// readRange calls XRANGE or XREVRANGE for a number of entries.
func (s *source) readRange(ctx context.Context, client redis.UniversalClient, command, from, to string, count int) ([]entry, error) {
	reply, err := client.Do(ctx, command, s.opts.Stream, from, to, "COUNT", count).Result()
	if err != nil {
		return nil, err
	}
	return entries(reply)
}
