package redisstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// fanout reads all entries of the stream.
type fanout struct {
	*reader
	tracker *inflight.PositionTracker[position]
	ahead   ackedAhead // acked in an earlier Run, and not reached yet
	at      position   // behind the entry that was read last
	key     string     // of the stored position; "" without a name
	stored  [2]string  // positions that Redis may have: the one loaded or stored last, and the one being stored
	token   string
}

func newFanout(r *reader) *fanout {
	f := &fanout{reader: r, tracker: inflight.NewPositionTracker(position{})}
	if previous := r.s.previous; previous != nil {
		acked, spans := previous.mode.(*fanout).ackedPositions()
		f.tracker = inflight.NewPositionTracker(acked)
		f.ahead.spans = spans
	}
	if r.s.opts.Name != "" {
		f.key = redisconn.SameSlotKey(r.s.opts.Stream, ":position:"+r.s.opts.Name)
	}
	return f
}

const startID = "0-0" // before every entry

// noPositionGap is the reason of the gap at a start without a stored position; without a name each
// start is one.
const noPositionGap = "no position is stored: reading begins at the end of the stream, and earlier entries may be missing"

// pollScript reads the entries after an ID. It also returns how many entries the stream has had,
// and the newest ID (Redis 7; -1 before). KEYS: the stream, and the position. ARGV: the token, or
// "" where no position is stored; the ID, the number of entries, and the entry that was read
// last, or "".
var pollScript = redis.NewScript(rollbackLua + `
if ARGV[1] ~= '' then
	local token = redis.call('HGET', KEYS[2], 'token')
	if token and token ~= ARGV[1] then return redis.error_reply('TAKEN over') end
	if not token then redis.call('HSET', KEYS[2], 'token', ARGV[1]) end
end
local newest = rolled_back(KEYS[1], ARGV[4])
if newest then return redis.error_reply('ROLLEDBACK ' .. newest) end
local found = redis.call('XREAD', 'COUNT', ARGV[3], 'STREAMS', KEYS[1], ARGV[2])
local added, last = 0, '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
	added = -1
	local info = redis.call('XINFO', 'STREAM', KEYS[1])
	for i = 1, #info, 2 do
		if info[i] == 'entries-added' then added = info[i + 1] end
		if info[i] == 'last-generated-id' then last = info[i + 1] end
	end
end
return {found and found[1] and found[1][2] or {}, added, last}`)

func (f *fanout) read(ctx context.Context) (page, error) {
	f.ahead.skipSpan(f.tracker)
	limit := f.s.count
	key := f.key
	if key == "" {
		key = f.s.opts.Stream
	}
	answer, err := pollScript.Run(ctx, f.client, []string{f.s.opts.Stream, key}, f.token, f.at.id, limit, f.s.lastRead).Slice()
	if err != nil {
		return page{}, scriptError(err, f.s.lastRead)
	}
	var p page
	var added int64
	var last string
	if p.entries, added, last, err = parsePoll(answer); err != nil {
		return page{}, err
	}
	if last != "" && idBefore(last, f.at.id) || added >= 0 && added < f.at.number {
		f.at, f.s.lastRead = position{id: startID}, ""
		f.ahead.reset()
		f.tracker.Reset(f.at)
		return page{gap: "the stream was recreated: earlier entries may not have been read"}, nil
	}
	f.s.adaptCount(p.entries)
	p.more = len(p.entries) == limit
	if span, n, found := f.ahead.reached(p.entries, p.more); found {
		p.entries, p.more = p.entries[:n], true
		f.number(p.entries)
		p.gap = f.gapBefore(span)
		f.at = position{id: span.Last.id, number: span.Last.number}
		return p, nil
	}
	f.number(p.entries)
	switch { // at the end of the stream: the count of entries read must equal its own
	case p.more || added < 0:
	case f.at.number < 0:
		f.at.number = added
	case added > f.at.number:
		p.gap = fmt.Sprintf("%d entries were trimmed or deleted before they were read", added-f.at.number)
		f.at.number = added
	}
	if len(p.entries) == 0 && p.gap == "" {
		return p, f.awaitEntry(ctx, f.at.id)
	}
	return p, nil
}

// number assigns entries their positions.
func (f *fanout) number(entries []entry) {
	for i := range entries {
		if f.at.number >= 0 {
			f.at.number++
		}
		f.at.id, f.at.read = entries[i].id, true
		f.s.lastRead = f.at.id
		entries[i].position = f.at
	}
}

func (f *fanout) emit(ctx context.Context, out plugin.Output, entries []entry, refused error) error {
	for _, e := range entries {
		events := []*event.Event{e.event(f.s.name, f.s.opts.Stream)}
		ack := f.tracker.Add(e.position, len(events))
		if err := out.Emit(ctx, event.Batch{Events: events, Ack: ack, DeadLetter: refused}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fanout) inFlight() (events int, done uint64, failed error) {
	events, failed = f.tracker.State()
	return events, f.tracker.AckedEvents(), failed
}
func (f *fanout) changed() <-chan struct{} { return f.tracker.Changed }
func (f *fanout) unsaved() bool            { return f.key != "" && f.tracker.Progressed() }

func (f *fanout) heartbeat(context.Context) error { return nil }

// awaitEntry waits for an entry after an ID, for [reader.blockTime] at most.
func (r *reader) awaitEntry(ctx context.Context, after string) error {
	err := r.client.XRead(ctx, &redis.XReadArgs{Streams: []string{r.s.opts.Stream, after}, Count: 1, Block: r.blockTime()}).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
