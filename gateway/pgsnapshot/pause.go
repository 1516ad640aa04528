package pgsnapshot

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// A table is paused after its rows could not be read; each further failure doubles the pause.
const (
	minPause = 30 * time.Second
	maxPause = 10 * time.Minute
	// minLostPause is the first pause after the session was lost. Further ones double, too, because code of the table's owner
	// can raise such an error.
	minLostPause = time.Second
	// changedPause is the pause after [pgconn.ErrChanged], after which the next attempt usually succeeds.
	changedPause = 50 * time.Millisecond
)

// pause is the pause of a table after its rows could not be read.
type pause struct {
	until time.Time
	last  time.Duration
}

// Next returns a table that is neither done nor paused, or "".
func (r *Reader) Next(t Tables) string {
	for _, table := range slices.Sorted(maps.Keys(t)) {
		if !t[table].Done && time.Now().After(r.paused[table].until) {
			return table
		}
	}
	return ""
}

// Pause pauses a table whose rows could not be read because of an error.
func (r *Reader) Pause(log *slog.Logger, table string, err error) {
	if r.paused == nil {
		r.paused = map[string]pause{}
	}
	if errors.Is(err, pgconn.ErrChanged) {
		r.paused[table] = pause{until: time.Now().Add(changedPause)}
		return
	}
	least := minPause
	if plugin.IsUnavailable(pgconn.Unavailable(err)) {
		least = minLostPause
	}
	d := min(max(2*r.paused[table].last, least), maxPause)
	r.paused[table] = pause{time.Now().Add(d), d}
	log.Warn("snapshot paused", "table", table, "pause", d, "error", err)
}

// Resume ends the pause of a table.
func (r *Reader) Resume(table string) { delete(r.paused, table) }
