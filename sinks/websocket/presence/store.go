package presence

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of what is in Redis.
const (
	expiry     = time.Hour // of all keys
	maxChanges = 1000      // entries of the stream of changes, about
)

// leaseScript renews the lease of a node, and returns the nodes that have one. KEYS: the leases. ARGV: the node, the length
// of its lease in milliseconds (0 ends it), and 1 for a node that takes its first one. A node whose lease has expired gets none, because others
// may be removing its counts. A lease that is too long is one from before the clock was set back.
var leaseScript = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 60000, '+inf')
if ARGV[3] ~= '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return false end
if ARGV[2] == '0' then
	redis.call('ZREM', KEYS[1], ARGV[1])
else
	redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], 3600000)
return redis.call('ZRANGE', KEYS[1], 0, -1)`)

func newName() string { return rand.Text()[:12] }

// enter takes a lease under a new name.
func (s *share) enter(ctx context.Context, name string) error {
	if err := s.takeLease(ctx, name, lease, "1"); err != nil {
		return err
	}
	s.name = name
	return nil
}

// renew renews the lease. Its error is errLeaseLost if the lease has expired.
func (s *share) renew(ctx context.Context) error { return s.takeLease(ctx, s.name, lease, "0") }

// leave shortens the lease.
func (s *share) leave(ctx context.Context, linger time.Duration) error {
	return s.takeLease(ctx, s.name, linger, "0")
}

func (s *share) takeLease(ctx context.Context, name string, length time.Duration, first string) error {
	begin := time.Now()
	alive, err := leaseScript.Run(ctx, s.client, []string{s.prefix + "nodes"}, name, length.Milliseconds(), first).StringSlice()
	if errors.Is(err, redis.Nil) {
		return errLeaseLost
	}
	if err != nil {
		return err
	}
	old := s.nodes
	s.renewed, s.nodes = begin, map[string]bool{}
	for _, node := range alive {
		s.nodes[node] = true
	}
	for node := range old {
		s.ended = s.ended || !s.nodes[node]
	}
	return nil
}

func (s *share) channelKey(id channelID) string {
	return s.prefix + "channel:" + hex.EncodeToString(id[:])
}

// storeStates stores the counts of this node.
func (s *share) storeStates(ctx context.Context, list []storedState) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, one := range list {
			key := s.channelKey(one.channel.id)
			if one.state.Clients == 0 {
				p.HDel(ctx, key, s.name)
				continue
			}
			text, _ := json.Marshal(one.state) // such fields always encode
			p.HSet(ctx, key, s.name, text)
			p.PExpire(ctx, key, expiry)
		}
		return nil
	})
	return err
}

// loadStates reads the counts of all nodes on channels. It ignores fields that a node cannot have written.
func (s *share) loadStates(ctx context.Context, list []*channel) ([]map[string]nodeState, error) {
	replies := make([]*redis.MapStringStringCmd, len(list))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, ch := range list {
			replies[i] = p.HGetAll(ctx, s.channelKey(ch.id))
		}
		return nil
	})
	states := make([]map[string]nodeState, len(list))
	for i, reply := range replies {
		for node, text := range reply.Val() {
			var state nodeState
			if json.Unmarshal([]byte(text), &state) != nil || state.Clients < 0 {
				continue
			}
			if states[i] == nil {
				states[i] = map[string]nodeState{}
			}
			if len(state.Subjects) > s.registry.opts.MaxSubjects {
				state.Subjects, state.Many = nil, true
			}
			states[i][node] = state
		}
	}
	return states, err
}

// field is what a node has stored about a channel.
type field struct {
	channel channelID
	node    string
}

// remove removes the counts of nodes that have ended.
func (s *share) remove(ctx context.Context, fields []field) error {
	if len(fields) == 0 {
		return nil
	}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, f := range fields {
			p.HDel(ctx, s.channelKey(f.channel), f.node)
		}
		return nil
	})
	return err
}

// announce appends the ids of changed channels to the stream, and returns the position of the entry.
func (s *share) announce(ctx context.Context, ids []byte) (position string, err error) {
	key := s.prefix + "changes"
	var added *redis.StringCmd
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		added = p.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: maxChanges, Approx: true, Values: []any{"n", s.name, "c", ids}})
		p.PExpire(ctx, key, expiry)
		return nil
	})
	return added.Val(), err
}

// readChanges queues the channels that other nodes have announced since the last call. If the stream may have lost some, it queues all.
func (s *share) readChanges(ctx context.Context) error {
	streams, err := s.client.XRead(ctx, &redis.XReadArgs{Streams: []string{s.prefix + "changes", s.position}, Count: maxChanges, Block: -1}).Result()
	if errors.Is(err, redis.Nil) || err == nil && len(streams) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	entries := streams[0].Messages
	if len(entries) == 0 {
		return nil
	}
	s.position = entries[len(entries)-1].ID
	if len(entries) >= maxChanges {
		s.registry.loadAll()
		return nil
	}
	var changed []channelID
	for _, e := range entries {
		text, _ := e.Values["c"].(string)
		if e.Values["n"] == s.name {
			continue
		}
		for ; len(text) >= len(channelID{}); text = text[len(channelID{}):] {
			changed = append(changed, channelID([]byte(text[:len(channelID{})])))
		}
	}
	s.registry.loadChanged(changed)
	return nil
}
