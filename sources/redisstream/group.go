package redisstream

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// group reads what the others of a consumer group do not.
type group struct {
	*reader
	ledger    *inflight.MessageTracker[string] // of IDs
	consumers string                           // the key that has the token of each consumer
	counts    string                           // the key that has how many entries the group has read
	trials    string                           // the key that has how far the delivery of entries has got, by ID
	token     string
	last      string // the newest entry that the group has read
	// history is where to go on in what this consumer has got before and not acked;
	// "" behind its end.
	history string
	looked  time.Time // for consumers that are gone
}

func newGroup(r *reader) *group {
	key := redisconn.SameSlotKey(r.s.opts.Stream, ":group:"+r.s.opts.Group)
	r.s.ledger.BeginRun()
	return &group{reader: r, ledger: r.s.ledger, consumers: key, counts: key + ":read", trials: key + ":tried", history: first}
}

// pollGroup reads new entries of a group (">"), or none, from an ID behind all that the
// consumer has got. It counts what the group has read: where that is less than the
// stream has had since, entries were trimmed before anybody got them (Redis 7). It returns
// how many, or -1 where the stream is another one, and the newest entry that was read. KEYS:
// the stream, the tokens, the counts. ARGV: group, consumer, token, how many, from, and the
// newest entry that this process has read, or "".
var pollGroup = redis.NewScript(undoneLua + `
local token = redis.call('HGET', KEYS[2], ARGV[2])
if token and token ~= ARGV[3] then return redis.error_reply('TAKEN over') end
if not token then redis.call('HSET', KEYS[2], ARGV[2], ARGV[3]) end
local newest = undone(KEYS[1], ARGV[6])
if newest then return redis.error_reply('UNDONE ' .. newest) end
local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[4], 'STREAMS', KEYS[1], ARGV[5])
found = found and found[1] and found[1][2] or {}
if ARGV[5] ~= '>' then return {found, 0, ''} end
local read, lost, last = redis.call('HINCRBY', KEYS[3], 'read', #found), 0, '0-0'
for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
	local info = {}
	for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
	if info.name == ARGV[1] then last = info['last-delivered-id'] end
end
if #found < tonumber(ARGV[4]) then
	local info, added = redis.call('XINFO', 'STREAM', KEYS[1]), false
	for i = 1, #info, 2 do
		if info[i] == 'entries-added' then added = info[i + 1] end
	end
	if added then
		local base, now = redis.call('HGET', KEYS[3], 'base'), added - read
		if base and now > tonumber(base) then lost = now - tonumber(base) end
		if base and now < tonumber(base) then lost = -1 end
		if base ~= tostring(now) then redis.call('HSET', KEYS[3], 'base', now) end
	end
end
return {found, lost, last}`)

func (g *group) begin(ctx context.Context) (missed string, err error) {
	o := g.s.opts
	from := map[string]string{"new": "$", "start": first}[o.From]
	if from == "" {
		from = o.From
	}
	known, err := g.client.Exists(ctx, g.consumers).Result()
	if err != nil {
		return "", err
	}
	again := g.s.last != nil || known > 0 // it was there: what came since is not to be missed
	if again {
		from = first
	}
	created, err := g.create(ctx, from)
	if err != nil {
		return "", err
	}
	if created && again {
		missed = fmt.Sprintf("the group %s was gone: the stream is read from its start", o.Group)
	}
	if created && from == "$" {
		missed = beginsReason
	}
	n, err := g.client.HIncrBy(ctx, g.consumers, o.Consumer, 1).Result()
	g.token = fmt.Sprint(n)
	return missed, err
}

// create makes the group where it is not there, and begins to count.
func (g *group) create(ctx context.Context, from string) (created bool, err error) {
	tx := g.client.TxPipeline() // nothing is appended in between
	made := tx.XGroupCreateMkStream(ctx, g.s.opts.Stream, g.s.opts.Group, from)
	info := tx.XInfoStream(ctx, g.s.opts.Stream)
	_, err = tx.Exec(ctx)
	switch {
	case redis.HasErrorPrefix(made.Err(), "BUSYGROUP"):
		return false, nil
	case made.Err() != nil:
		return false, made.Err()
	case made.Val() == "": // no answer: the server has refused the connection
		return false, err
	}
	counts := g.client.TxPipeline()
	counts.Del(ctx, g.counts, g.trials)
	switch now := info.Val(); {
	case info.Err() != nil || now.LastGeneratedID == "": // before Redis 7 there is nothing to count by
	case from == "$":
		counts.HSet(ctx, g.counts, "base", now.EntriesAdded)
	case from == first:
		counts.HSet(ctx, g.counts, "base", now.EntriesAdded-now.Length)
	}
	_, err = counts.Exec(ctx)
	return true, err
}

func (g *group) read(ctx context.Context) (p page, err error) {
	for g.history != "" { // all of it comes before what is new
		if p, err = g.old(ctx); err != nil || len(p.entries)+len(p.refused) > 0 || p.missed != "" {
			return p, err
		}
	}
	if time.Since(g.looked) >= g.s.opts.ClaimAfter.D()/4 {
		g.looked = time.Now()
		p, found, err := g.claim(ctx)
		if err != nil || found {
			g.looked = time.Time{} // there may be more
			return p, err
		}
	}
	most := g.s.count
	var lost int64
	if p.entries, lost, g.last, err = g.ask(ctx, ">", most, g.s.newest); err != nil {
		return page{}, err
	}
	g.s.adapt(p.entries)
	p.more = len(p.entries) == most
	if n := len(p.entries); n > 0 {
		g.s.newest = p.entries[n-1].id
	}
	switch {
	case lost < 0:
		p.missed = "the stream was made anew: what it had before may not have been read"
	case lost > 0:
		p.missed = fmt.Sprintf("%d entries were trimmed or deleted before they were read", lost)
	}
	if len(p.entries) == 0 && p.missed == "" {
		return p, g.bell(ctx, g.last)
	}
	return p, nil
}

// ask reads entries of the group. It fails where the entry newest, which was read before, is undone;
// "" looks for none.
func (g *group) ask(ctx context.Context, from string, most int, newest string) ([]entry, int64, string, error) {
	o := g.s.opts
	answer, err := pollGroup.Run(ctx, g.client, []string{o.Stream, g.consumers, g.counts}, o.Group, o.Consumer, g.token, most, from, newest).Slice()
	if err != nil {
		return nil, 0, "", meaning(err, newest)
	}
	return polled(answer)
}

// old brings what this consumer got before and has not acked, but for what is on its way
// still: that is not delivered again, and so not counted as delivered.
func (g *group) old(ctx context.Context) (page, error) {
	o := g.s.opts
	from := "-"
	if g.history != first {
		from = "(" + g.history
	}
	if err := g.alive(ctx); err != nil { // else it may be another one's by now
		return page{}, err
	}
	pending, err := g.client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: o.Stream, Group: o.Group, Start: from, End: "+", Count: int64(g.s.count), Consumer: o.Consumer}).Result()
	if err != nil {
		return page{}, err
	}
	if len(pending) == 0 {
		g.history = ""
		return page{}, nil
	}
	g.history = pending[len(pending)-1].ID
	pending = slices.DeleteFunc(pending, func(p redis.XPendingExt) bool { return g.ledger.InFlight(p.ID) })
	found, err := g.take(ctx, pending, 0)
	if err != nil {
		return page{}, err
	}
	g.s.adapt(found)
	return g.again(ctx, found)
}

// alive reads behind the end of its history: there is nothing, but Redis notes the time.
// (Redis takes the very last ID for ">".)
func (g *group) alive(ctx context.Context) error {
	_, _, _, err := g.ask(ctx, fmt.Sprintf("%d-0", uint64(math.MaxUint64)), 1, "")
	return err
}

func (g *group) flying() (events int, done uint64, failed error) {
	events, failed = g.ledger.State()
	return events, g.ledger.AckedMessages(), failed
}
func (g *group) settled() <-chan struct{} { return g.ledger.Changed }
func (g *group) unsaved() bool            { return g.ledger.Progressed() }

// emit makes each entry a batch of its own: they are acked one by one, and one that is not
// delivered for days is no reason to have others again.
func (g *group) emit(ctx context.Context, out plugin.Output, entries []entry, refused error) error {
	for _, e := range entries {
		ev := e.event(g.s.name, g.s.opts.Stream)
		ev.Attempts = e.tried
		if err := out.Emit(ctx, event.Batch{Events: []*event.Event{ev}, DeadLetter: refused, Ack: g.ledger.Add(e.id)}); err != nil {
			return err
		}
	}
	return nil
}
