package lookup

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cache holds rows by parameters. A nil row means that there is none, which is cached, too.
type cache struct {
	now  func() time.Time
	ttl  time.Duration
	rows *simplelru.LRU[string, cachedRow] // nil if nothing is cached
}

type cachedRow struct {
	row   []byte
	until time.Time
}

func newCache(o Cache, now func() time.Time) *cache {
	c := &cache{now: now, ttl: o.TTL.D()}
	if o.Size > 0 && o.TTL > 0 {
		c.rows, _ = simplelru.NewLRU[string, cachedRow](o.Size, nil) // the size is positive
	}
	return c
}

func (c *cache) get(key []byte) (row []byte, known bool) {
	if c.rows == nil {
		return nil, false
	}
	e, ok := c.rows.Get(string(key))
	if !ok || !c.now().Before(e.until) {
		return nil, false
	}
	return e.row, true
}

func (c *cache) put(key, row []byte) {
	if c.rows != nil {
		c.rows.Add(string(key), cachedRow{row, c.now().Add(c.ttl)})
	}
}
