package postgresoutbox

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// resettableGauge is a gauge that measure sets.
type resettableGauge interface {
	MarkStale()
	Reset()
}

func setUnknown(g resettableGauge) { g.MarkStale() }
func setAbsent(g resettableGauge)  { g.Reset() }

// eachGauge calls note with each gauge that measure sets.
func (s *source) eachGauge(note func(resettableGauge)) {
	for _, g := range []resettableGauge{s.lagRows, s.lagSeconds, s.oldest, s.gaps, s.unclaimedRows, s.clock} {
		note(g)
	}
}

// Campaign is part of [plugin.Elector]. While another gateway leads, only that one reports the gauges.
func (s *source) Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (plugin.Leadership, error) {
	return s.Elector.Campaign(ctx, name, above, func(holder string) {
		s.eachGauge(setAbsent)
		standby(holder)
	})
}

// inspectDatabase measures the outbox, checks the triggers, and deletes surplus unclaimed changes.
func (r *reader) inspectDatabase(ctx context.Context) error {
	if err := r.measure(ctx); err != nil {
		return err
	}
	found, err := r.readCaptures(ctx)
	if err != nil {
		return err
	}
	r.compareCaptures(r.out, found)
	return r.trimUnclaimed(ctx)
}

// measure sets the gauges, and returns an error if the sequence is not usable any more, if another reader has
// reset the cursor, or if the session has changed: a running pooler can get another mode.
func (r *reader) measure(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var last, cache int64
	var seconds float64
	var oldest float64
	var rowsAbove, reset bool
	var position int64
	var pid uint32
	err := r.conn.QueryRow(ctx, `SELECT pg_backend_pid()::bigint, EXISTS (SELECT FROM gateway.outbox_reader WHERE name = $3 AND token <> $4 AND hi = 0 AND $2 > 0), coalesce(pg_sequence_last_value(s.seqrelid), 0), s.seqcache,
		EXISTS (SELECT FROM gateway.outbox WHERE id > coalesce(pg_sequence_last_value(s.seqrelid), 0)), `+r.historySQL.flushPosition+`,
		coalesce((SELECT extract(epoch FROM clock_timestamp() - at) FROM gateway.outbox WHERE id > (SELECT min(low) FROM `+r.attachedReadersSQL()+` r) ORDER BY id LIMIT 1), 0)::float8,
		coalesce((SELECT extract(epoch FROM clock_timestamp() - at) FROM gateway.outbox WHERE id > $2 ORDER BY id LIMIT 1), 0)::float8
		FROM pg_sequence s WHERE s.seqrelid = $1::bigint::oid`, r.sequence, r.cursor.high, r.s.opts.Name, r.token).Scan(&pid, &reset, &last, &cache, &rowsAbove, &position, &oldest, &seconds)
	if err != nil {
		return fmt.Errorf("cannot measure the outbox: %w", err)
	}
	if err := pgconn.CheckSameSession(r.s.conn.ConnConfig, pid, r.pid); err != nil {
		return err
	}
	if reset {
		return errCursorChanged
	}
	if err := r.measureClock(ctx); err != nil {
		return err
	}
	r.s.lagRows.Set(float64(max(last-r.cursor.high, 0)))
	r.s.lagSeconds.Set(max(seconds, 0))
	r.s.oldest.Set(max(oldest, 0))
	r.s.gaps.Set(float64(r.cursor.countPending()))
	r.warnLongTransaction()
	r.known.position = max(r.known.position, position)
	switch {
	case cache != 1:
		return checkCache(cache)
	case last < r.cursor.high && !rowsAbove:
		return &rewoundError{sequenceRewound(last, r.cursor.high)}
	case rowsAbove:
		return r.deleteAboveSequence(ctx, last)
	}
	return nil
}

// measureClock measures the clock of the server, by a query that takes no time there.
func (r *reader) measureClock(ctx context.Context) error {
	var now time.Time
	sent := time.Now()
	if err := r.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return fmt.Errorf("cannot read the clock of the server: %w", err)
	}
	r.s.clock.Measured(sent, time.Now(), now)
	return nil
}

// warnLongTransaction logs that a transaction is open for long.
func (r *reader) warnLongTransaction() {
	if low := r.cursor.low(); low != r.lowSeen {
		r.lowSeen, r.lowSince = low, time.Now()
	}
	if len(r.cursor.pending) > 0 && time.Since(r.lowSince) > longTransaction {
		r.s.log.Warn("transaction open for long", "effect", "its changes are emitted when it ends", "hint", "gateway check --live names it", "duration", time.Since(r.lowSince).Round(time.Second))
		r.lowSince = time.Now()
	}
}
