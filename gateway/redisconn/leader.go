package redisconn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// A leadership is a key that expires, and that its leader renews.
const (
	lease            = 6 * time.Second
	campaignInterval = 500 * time.Millisecond
)

var (
	// acquireScript acquires the lock where it is free, and returns the term; else it returns "".
	// The term is a counter. It begins with the server's clock in microseconds, so that it is
	// higher than terms before the counter was lost, as by FLUSHALL. A lock of the same elector
	// counts as free: the elector has lost its connection, and could not release the lock.
	acquireScript = redis.NewScript(`
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 1, #ARGV[4]) ~= ARGV[4] then return '' end
local last = redis.call('GET', KEYS[2])
if not last then
	local now = redis.call('TIME')
	last = now[1] * 1000000 + now[2]
end
local term = math.max(tonumber(last), tonumber(ARGV[3])) + 1
term = string.format('%.0f', term)
redis.call('SET', KEYS[2], term)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return term`)
	// renewScript and releaseScript change the lock only for its holder.
	renewScript   = redis.NewScript(`return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0`)
	releaseScript = redis.NewScript(`return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0`)
)

// Elector is a [plugin.Elector] at a Redis.
type Elector struct {
	Config   *Config
	URL      options.URL
	idPrefix string // of the values of its locks
}

// NewElector returns an elector. Its campaigns must follow each other: each takes over a lock that
// an earlier one could not release.
func NewElector(config *Config, url options.URL) Elector {
	return Elector{Config: config, URL: url, idPrefix: rand.Text() + ":"}
}

// Campaign is part of [plugin.Elector].
func (s Elector) Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (plugin.Leadership, error) {
	if s.idPrefix == "" { // not made by NewElector
		s = NewElector(s.Config, s.URL)
	}
	key := "eventgateway:leader:{" + name + "}" // in braces: both keys are in one slot of a cluster
	t := &leadership{client: s.Config.NewClient(), key: key, id: s.idPrefix + rand.Text()}
	tick := time.NewTicker(campaignInterval)
	defer tick.Stop()
	for {
		got, err := acquireScript.Run(ctx, t.client, []string{key, key + ":term"}, t.id, lease.Milliseconds(), above, s.idPrefix).Text()
		if err == nil && got != "" {
			t.number, err = strconv.ParseInt(got, 10, 64)
		}
		if err != nil {
			t.client.Close()
			return nil, Unavailable(err, fmt.Errorf("cannot take the lock of the leader %s at %s: %w", name, s.URL, err), Command{FixedKeys: true})
		}
		if t.number > 0 {
			return t, nil
		}
		standby("")
		select {
		case <-ctx.Done():
			t.client.Close()
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// leadership is a held lock.
type leadership struct {
	client  redis.UniversalClient
	key, id string
	number  int64
}

func (t *leadership) Term() int64          { return t.number }
func (t *leadership) Lease() time.Duration { return lease }

// Confirm is part of [plugin.Leadership].
func (t *leadership) Confirm(ctx context.Context) error {
	n, err := renewScript.Run(ctx, t.client, []string{t.key}, t.id, lease.Milliseconds()).Int()
	if err == nil && n != 1 {
		return errors.New("the lock has expired")
	}
	return Unavailable(err, err, Command{FixedKeys: true})
}

// Resign is part of [plugin.Leadership].
func (t *leadership) Resign() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = releaseScript.Run(ctx, t.client, []string{t.key}, t.id).Err() // it expires anyway
	t.client.Close()
}
