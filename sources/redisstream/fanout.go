package redisstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// fanout reads everything, whoever else reads.
type fanout struct {
	*reader
	flight *inflight.PositionTracker[place]
	ahead  ahead     // what was settled before this Run and lies ahead
	at     place     // behind the entry that was read last
	key    string    // of the position, where it is kept
	kept   [2]string // positions that may be there: that which was loaded or stored last, and that which is being stored
	token  string
}

func newFanout(r *reader) *fanout {
	f := &fanout{reader: r, flight: inflight.NewPositionTracker(place{})}
	if before := r.s.last; before != nil {
		acked, spans := before.form.(*fanout).settledSoFar()
		f.flight = inflight.NewPositionTracker(acked)
		f.ahead.spans = spans
	}
	if r.s.opts.Name != "" {
		f.key = redisconn.SameSlotKey(r.s.opts.Stream, ":position:"+r.s.opts.Name)
	}
	return f
}

const first = "0-0" // before every entry

// beginsReason is the gap where nothing says how far was read: without a name each start is
// such a one.
const beginsReason = "no position is kept: reading begins with what comes now, and what came before may have been missed"

// poll reads the entries behind one, and says how many there ever were in the stream, and
// what the newest was called (Redis 7; -1 before). KEYS: the stream, and the position.
// ARGV: the token, or "" where the position is not kept; where to read, how many, and the entry
// that was read last, or "".
var poll = redis.NewScript(undoneLua + `
if ARGV[1] ~= '' then
	local token = redis.call('HGET', KEYS[2], 'token')
	if token and token ~= ARGV[1] then return redis.error_reply('TAKEN over') end
	if not token then redis.call('HSET', KEYS[2], 'token', ARGV[1]) end
end
local newest = undone(KEYS[1], ARGV[4])
if newest then return redis.error_reply('UNDONE ' .. newest) end
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

// store keeps a position, unless somebody else has taken over (0), or the position in Redis is
// another one than this reader has stored last, or the stream went back (2). KEYS: the position,
// and the stream. ARGV: the token, the position, its number, the entry that was read last, or
// "", the positions that may be there, and what is settled above the position.
var store = redis.NewScript(undoneLua + `
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then return 0 end
local id = redis.call('HGET', KEYS[1], 'id')
if id and id ~= ARGV[2] and id ~= ARGV[5] and id ~= ARGV[6] or undone(KEYS[2], ARGV[4]) then return 2 end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'id', ARGV[2], 'number', ARGV[3], 'settled', ARGV[7])
return 1`)

func (f *fanout) begin(ctx context.Context) (missed string, err error) {
	f.at = f.flight.Acked() // of the run before
	if f.key != "" {
		n, err := f.client.HIncrBy(ctx, f.key, "token", 1).Result()
		if err != nil {
			return "", err
		}
		f.token = fmt.Sprint(n)
		kept, err := f.client.HMGet(ctx, f.key, "id", "number", "settled").Result()
		if err != nil {
			return "", err
		}
		if id, ok := kept[0].(string); ok {
			f.kept = [2]string{id, id}
			f.at = place{id: id, number: -1}
			text, _ := kept[2].(string)
			if f.ahead.spans, err = parseSpans(text); err != nil {
				return "", fmt.Errorf("the position in %s cannot be read: %w", f.key, err)
			}
			f.ahead.spans = slices.DeleteFunc(f.ahead.spans, func(s inflight.Span[place]) bool { return !before(id, s.Last.id) })
			if text, ok := kept[1].(string); ok {
				if f.at.number, err = strconv.ParseInt(text, 10, 64); err != nil {
					return "", fmt.Errorf("the position in %s cannot be read: %w", f.key, err)
				}
			}
		}
	}
	if f.at.id != "" && f.key == "" { // nothing was asked yet: whether the server is there
		return "", f.client.Exists(ctx, f.s.opts.Stream).Err()
	}
	if f.at.id != "" {
		f.flight.Reset(f.at)
		return "", nil
	}
	info, err := f.client.XInfoStream(ctx, f.s.opts.Stream).Result()
	var said redis.Error
	if errors.As(err, &said) && said.Error() == "ERR no such key" {
		info, err = &redis.XInfoStream{LastGeneratedID: first}, nil
	}
	if err != nil {
		return "", err
	}
	from := f.s.opts.From
	if f.s.again {
		from = "start" // nothing says how far was read in this history
	}
	switch from {
	case "start":
		f.at = place{id: first, number: info.EntriesAdded - info.Length}
	case "new": // of a stream that is there, some may have come since somebody read it last
		if info.LastGeneratedID != first {
			missed = beginsReason
		}
		f.at = place{id: info.LastGeneratedID, number: info.EntriesAdded}
		if info.LastGeneratedID == "" { // not quite a Redis
			f.at = place{id: cmp.Or(info.LastEntry.ID, first), number: -1}
		}
	default:
		f.at = place{id: from, number: -1}
	}
	// From here on, whatever comes is read, even where it is not acked before the next run.
	f.flight.Advance(f.at)
	return missed, f.save(ctx)
}

func (f *fanout) read(ctx context.Context) (page, error) {
	f.ahead.pass(f.flight)
	most := f.s.count
	key := f.key
	if key == "" {
		key = f.s.opts.Stream
	}
	answer, err := poll.Run(ctx, f.client, []string{f.s.opts.Stream, key}, f.token, f.at.id, most, f.s.newest).Slice()
	if err != nil {
		return page{}, meaning(err, f.s.newest)
	}
	var p page
	var added int64
	var last string
	if p.entries, added, last, err = polled(answer); err != nil {
		return page{}, err
	}
	if last != "" && before(last, f.at.id) || added >= 0 && added < f.at.number {
		f.at, f.s.newest = place{id: first}, ""
		f.ahead.forget()
		f.flight.Reset(f.at)
		return page{missed: "the stream was made anew: what it had before may not have been read"}, nil
	}
	f.s.adapt(p.entries)
	p.more = len(p.entries) == most
	if span, n, found := f.ahead.reached(p.entries, p.more); found {
		p.entries, p.more = p.entries[:n], true
		f.number(p.entries)
		p.missed = f.lostBefore(span)
		f.at = place{id: span.Last.id, number: span.Last.number}
		return p, nil
	}
	f.number(p.entries)
	switch { // caught up: as many were read as there were
	case p.more || added < 0:
	case f.at.number < 0:
		f.at.number = added
	case added > f.at.number:
		p.missed = fmt.Sprintf("%d entries were trimmed or deleted before they were read", added-f.at.number)
		f.at.number = added
	}
	if len(p.entries) == 0 && p.missed == "" {
		return p, f.bell(ctx, f.at.id)
	}
	return p, nil
}

// number gives entries their places.
func (f *fanout) number(entries []entry) {
	for i := range entries {
		if f.at.number >= 0 {
			f.at.number++
		}
		f.at.id, f.at.read = entries[i].id, true
		f.s.newest = f.at.id
		entries[i].place = f.at
	}
}

func (f *fanout) emit(ctx context.Context, out plugin.Output, entries []entry, refused error) error {
	for _, e := range entries {
		events := []*event.Event{e.event(f.s.name, f.s.opts.Stream)}
		ack := f.flight.Add(e.place, len(events))
		if err := out.Emit(ctx, event.Batch{Events: events, Ack: ack, DeadLetter: refused}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fanout) flying() (events int, done uint64, failed error) {
	events, failed = f.flight.State()
	return events, f.flight.AckedEvents(), failed
}
func (f *fanout) settled() <-chan struct{} { return f.flight.Changed }
func (f *fanout) unsaved() bool            { return f.key != "" && f.flight.Progressed() }

func (f *fanout) alive(context.Context) error { return nil }

func (f *fanout) save(ctx context.Context) error {
	if f.key == "" {
		return nil
	}
	if !f.flight.StartCheckpoint() {
		return nil
	}
	at, above := f.settledSoFar()
	before, newest := f.kept, ""
	if at.read {
		newest = at.id
	}
	f.kept[1] = at.id // it may be stored although no answer comes
	stored, err := store.Run(ctx, f.client, []string{f.key, f.s.opts.Stream}, f.token, at.id, at.number, newest, before[0], before[1], formatSpans(above)).Int()
	switch {
	case err != nil:
		f.flight.CheckpointFailed()
		return err
	case stored == 0:
		return errTakenOver
	case stored == 2:
		return errMoved
	}
	f.kept[0] = at.id
	return nil
}

// bell waits until there is something behind an entry, but not for long.
func (r *reader) bell(ctx context.Context, behind string) error {
	err := r.client.XRead(ctx, &redis.XReadArgs{Streams: []string{r.s.opts.Stream, behind}, Count: 1, Block: r.wait()}).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
