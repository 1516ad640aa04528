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

// group reads its share of the entries as a member of a consumer group.
type group struct {
	*reader
	tracker       *inflight.MessageTracker[string] // by ID
	tokensKey     string                           // key of the tokens, by consumer
	countsKey     string                           // key of the count of entries that the group has read
	attemptsKey   string                           // key of the failed attempts, by ID
	token         string
	lastDelivered string // the newest entry that the group has read
	// pendingFrom is the position in this consumer's pending entries, those delivered earlier and
	// not acked; "" after the last.
	pendingFrom    string
	claimCheckedAt time.Time // when consumers that are gone were looked for
}

func newGroup(r *reader) *group {
	key := redisconn.SameSlotKey(r.s.opts.Stream, ":group:"+r.s.opts.Group)
	r.s.tracker.BeginRun()
	return &group{reader: r, tracker: r.s.tracker, tokensKey: key, countsKey: key + ":read", attemptsKey: key + ":tried", pendingFrom: startID}
}

// pollGroupScript reads new entries of a group (">"), or none, from an ID above the consumer's
// pending entries. It counts the entries that the group has read. Where the stream has had more,
// entries were trimmed before they were read (Redis 7). It returns the entries; how many were
// lost, or -1 where the stream was recreated; and the group's last delivered ID. KEYS: the stream,
// the tokens, the counts. ARGV: group, consumer, token, how many, from, and the entry that this
// process has read last, or "".
var pollGroupScript = redis.NewScript(rollbackLua + `
local token = redis.call('HGET', KEYS[2], ARGV[2])
if token and token ~= ARGV[3] then return redis.error_reply('TAKEN over') end
if not token then redis.call('HSET', KEYS[2], ARGV[2], ARGV[3]) end
local newest = rolled_back(KEYS[1], ARGV[6])
if newest then return redis.error_reply('ROLLEDBACK ' .. newest) end
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

func (g *group) begin(ctx context.Context) (gap string, err error) {
	o := g.s.opts
	from := map[string]string{"new": "$", "start": startID}[o.From]
	if from == "" {
		from = o.From
	}
	known, err := g.client.Exists(ctx, g.tokensKey).Result()
	if err != nil {
		return "", err
	}
	existed := g.s.previous != nil || known > 0 // entries since then must not be missed
	if existed {
		from = startID
	}
	created, err := g.create(ctx, from)
	if err != nil {
		return "", err
	}
	if created && existed {
		gap = fmt.Sprintf("the group %s was deleted: the stream is read from its start", o.Group)
	}
	if created && from == "$" {
		gap = noPositionGap
	}
	n, err := g.client.HIncrBy(ctx, g.tokensKey, o.Consumer, 1).Result()
	g.token = fmt.Sprint(n)
	return gap, err
}

// create creates the group unless it exists, and begins to count.
func (g *group) create(ctx context.Context, from string) (created bool, err error) {
	tx := g.client.TxPipeline() // nothing is appended in between
	create := tx.XGroupCreateMkStream(ctx, g.s.opts.Stream, g.s.opts.Group, from)
	info := tx.XInfoStream(ctx, g.s.opts.Stream)
	_, err = tx.Exec(ctx)
	switch {
	case redis.HasErrorPrefix(create.Err(), "BUSYGROUP"):
		return false, nil
	case create.Err() != nil:
		return false, create.Err()
	case create.Val() == "": // no reply: the server has refused the connection
		return false, err
	}
	counts := g.client.TxPipeline()
	counts.Del(ctx, g.countsKey, g.attemptsKey)
	switch now := info.Val(); {
	case info.Err() != nil || now.LastGeneratedID == "": // before Redis 7 there is nothing to count by
	case from == "$":
		counts.HSet(ctx, g.countsKey, "base", now.EntriesAdded)
	case from == startID:
		counts.HSet(ctx, g.countsKey, "base", now.EntriesAdded-now.Length)
	}
	_, err = counts.Exec(ctx)
	return true, err
}

func (g *group) read(ctx context.Context) (p page, err error) {
	for g.pendingFrom != "" { // pending entries come before new ones
		if p, err = g.readPending(ctx); err != nil || len(p.entries)+len(p.refused) > 0 || p.gap != "" {
			return p, err
		}
	}
	if time.Since(g.claimCheckedAt) >= g.s.opts.ClaimAfter.D()/4 {
		g.claimCheckedAt = time.Now()
		p, found, err := g.claim(ctx)
		if err != nil || found {
			g.claimCheckedAt = time.Time{} // there may be more
			return p, err
		}
	}
	limit := g.s.count
	var lost int64
	if p.entries, lost, g.lastDelivered, err = g.poll(ctx, ">", limit, g.s.lastRead); err != nil {
		return page{}, err
	}
	g.s.adaptCount(p.entries)
	p.more = len(p.entries) == limit
	if n := len(p.entries); n > 0 {
		g.s.lastRead = p.entries[n-1].id
	}
	switch {
	case lost < 0:
		p.gap = "the stream was recreated: earlier entries may not have been read"
	case lost > 0:
		p.gap = fmt.Sprintf("%d entries were trimmed or deleted before they were read", lost)
	}
	if len(p.entries) == 0 && p.gap == "" {
		return p, g.awaitEntry(ctx, g.lastDelivered)
	}
	return p, nil
}

// poll reads entries of the group. It fails where the entry lastRead was rolled back; "" checks none.
func (g *group) poll(ctx context.Context, from string, limit int, lastRead string) ([]entry, int64, string, error) {
	o := g.s.opts
	answer, err := pollGroupScript.Run(ctx, g.client, []string{o.Stream, g.tokensKey, g.countsKey}, o.Group, o.Consumer, g.token, limit, from, lastRead).Slice()
	if err != nil {
		return nil, 0, "", scriptError(err, lastRead)
	}
	return parsePoll(answer)
}

// readPending returns this consumer's pending entries, except those in flight: these are not
// emitted again, and not counted as delivered again.
func (g *group) readPending(ctx context.Context) (page, error) {
	o := g.s.opts
	from := "-"
	if g.pendingFrom != startID {
		from = "(" + g.pendingFrom
	}
	if err := g.heartbeat(ctx); err != nil { // fails where another gateway has taken over the consumer
		return page{}, err
	}
	pending, err := g.client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: o.Stream, Group: o.Group, Start: from, End: "+", Count: int64(g.s.count), Consumer: o.Consumer}).Result()
	if err != nil {
		return page{}, err
	}
	if len(pending) == 0 {
		g.pendingFrom = ""
		return page{}, nil
	}
	g.pendingFrom = pending[len(pending)-1].ID
	pending = slices.DeleteFunc(pending, func(p redis.XPendingExt) bool { return g.tracker.InFlight(p.ID) })
	found, err := g.claimIdle(ctx, pending, 0)
	if err != nil {
		return page{}, err
	}
	g.s.adaptCount(found)
	return g.sortRedelivered(ctx, found)
}

// heartbeat reads pending entries above all IDs. It gets none, but Redis notes the time. (The
// highest possible ID would mean ">".)
func (g *group) heartbeat(ctx context.Context) error {
	_, _, _, err := g.poll(ctx, fmt.Sprintf("%d-0", uint64(math.MaxUint64)), 1, "")
	return err
}

func (g *group) inFlight() (events int, done uint64, failed error) {
	events, failed = g.tracker.State()
	return events, g.tracker.AckedMessages(), failed
}
func (g *group) changed() <-chan struct{} { return g.tracker.Changed }
func (g *group) unsaved() bool            { return g.tracker.Progressed() }

// emit emits each entry as a batch, so that it is acked independently: one that cannot be delivered
// for days does not make others come again.
func (g *group) emit(ctx context.Context, out plugin.Output, entries []entry, refused error) error {
	for _, e := range entries {
		ev := e.event(g.s.name, g.s.opts.Stream)
		ev.Attempts = e.attempts
		if err := out.Emit(ctx, event.Batch{Events: []*event.Event{ev}, DeadLetter: refused, Ack: g.tracker.Add(e.id)}); err != nil {
			return err
		}
	}
	return nil
}
