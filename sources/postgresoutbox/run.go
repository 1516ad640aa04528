package postgresoutbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

const (
	shortestPause = 2 * time.Millisecond  // between two reads that find nothing
	longestPause  = 50 * time.Millisecond // while it does not sleep
	settleEvery   = 200 * time.Millisecond
	saveEvery     = 50 * time.Millisecond
	retainEvery   = time.Second
	retainMost    = 10_000 // rows at once
	measureEvery  = 5 * time.Second
	maxInFlight   = 10_000 // events
	gapAlarm      = 5 * time.Minute
)

// reader is one Run.
type reader struct {
	s        *source
	out      plugin.Output
	conn     *pgx.Conn
	pid      uint32 // of the server's process that serves conn
	token    int64
	sequence int64 // oid of the outbox's
	cursor   cursor
	snapshot snapshot
	memory   memory
	horizon  horizon
	kept     [2]place // what may be stored: what was loaded or stored last, and what is being stored
	tells    teller
	columns  bool // the cursors have the columns history and seen
	flight   *inflight.Tracker[position]
	keys     map[string]*tableKey
	stale    bool // gaps have died since the last batch, or a snapshot has ended
	untidy   bool // what was delivered is not deleted yet

	awake time.Time // since when another session keeps it from sleeping; zero: none does

	low      int64     // as measure has seen it last
	lowSince time.Time // when it was another one, or when warn said so

	others map[string]time.Time // tables that another reader has, and when that was seen

	settled, saved, retained, measured, trimmed time.Time
}

func (r *reader) run(ctx context.Context, out plugin.Output) error {
	pause := shortestPause
	for ctx.Err() == nil {
		n, err := r.step(ctx, out)
		if err != nil {
			return err
		}
		copied, err := r.copyRows(ctx, out)
		if err != nil {
			return err
		}
		if n > 0 || copied {
			pause = shortestPause
			continue
		}
		if slept, err := r.sleep(ctx, out, pause); err != nil {
			return err
		} else if slept {
			pause = shortestPause
			continue
		}
		r.wait(ctx, pause)
		pause = min(2*pause, longestPause)
	}
	return ctx.Err()
}

// room waits while the routes are behind.
func (r *reader) room(ctx context.Context) error {
	for {
		waiting, failed := r.flight.State()
		if failed != nil {
			return failed
		}
		if waiting < maxInFlight {
			return nil
		}
		if err := r.upkeep(ctx); err != nil {
			return err
		}
		r.wait(ctx, longestPause)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// step reads and emits once, and does what is due beside. It returns how many rows it
// has read.
func (r *reader) step(ctx context.Context, out plugin.Output) (int, error) {
	if err := r.room(ctx); err != nil {
		return 0, err
	}
	gaps := len(r.cursor.gaps)
	rows, err := r.read(ctx)
	if err != nil {
		return 0, err
	}
	at := r.position()
	if err := r.emit(ctx, out, rows, at); err != nil {
		return 0, err
	}
	r.stale = len(rows) == 0 && (r.stale || len(r.cursor.gaps) != gaps)
	if r.stale && r.flight.Idle(at) {
		r.stale = false
	}
	return len(rows), r.upkeep(ctx)
}

// emit hands changes over; at is the position behind them.
func (r *reader) emit(ctx context.Context, out plugin.Output, rows []row, at position) error {
	if len(rows) == 0 {
		return nil
	}
	events := make([]*event.Event, 0, len(rows))
	for _, one := range rows {
		if len(r.s.tables) > 0 && !r.s.tables[one.table] {
			if err := r.skip(ctx, one.table); err != nil {
				return err
			}
			continue
		}
		if one.op != "T" && one.old == nil && one.new == nil {
			out.Gap(fmt.Sprintf("a change of %s came without its row: its trigger !gateway_json is missing or disabled", one.table))
		}
		e, err := r.event(ctx, one)
		if err != nil {
			return err
		}
		events = append(events, e)
	}
	ack := r.flight.Add(at, len(events))
	if len(events) == 0 {
		ack(nil)
		return nil
	}
	return out.Emit(ctx, event.Batch{Events: events, Ack: ack})
}

// upkeep does what is due from time to time.
func (r *reader) upkeep(ctx context.Context) error {
	now := time.Now()
	due := func(last *time.Time, every time.Duration) bool {
		if now.Sub(*last) < every {
			return false
		}
		*last = now
		return true
	}
	if len(r.cursor.gaps) > 0 && due(&r.settled, settleEvery) {
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	if r.flight.Progressed() && due(&r.saved, saveEvery) {
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	if due(&r.retained, r.s.retainEvery) {
		if err := r.retain(ctx); err != nil {
			return err
		}
	}
	if due(&r.measured, r.s.measureEvery) {
		if err := r.measure(ctx); err != nil {
			return err
		}
		found, err := r.lookAtTriggers(ctx)
		if err != nil {
			return err
		}
		r.watchTriggers(r.out, found)
		return r.trim(ctx)
	}
	return nil
}

// measure looks how far behind it is, whether nobody has spoilt the sequence, and whether the
// session is still the same: a pooler may have got another mode.
func (r *reader) measure(ctx context.Context) error {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	var last, cache int64
	var seconds float64
	var oldest float64
	var above bool
	var position int64
	var pid uint32
	err := r.conn.QueryRow(ctx, `SELECT pg_backend_pid()::bigint, coalesce(pg_sequence_last_value(s.seqrelid), 0), s.seqcache,
		EXISTS (SELECT FROM gateway.outbox WHERE id > coalesce(pg_sequence_last_value(s.seqrelid), 0)), `+r.tells.flushed+`,
		coalesce((SELECT extract(epoch FROM clock_timestamp() - at) FROM gateway.outbox WHERE id > (SELECT min(low) FROM gateway.outbox_reader) ORDER BY id LIMIT 1), 0)::float8,
		coalesce((SELECT extract(epoch FROM clock_timestamp() - at) FROM gateway.outbox WHERE id > $2 ORDER BY id LIMIT 1), 0)::float8
		FROM pg_sequence s WHERE s.seqrelid = $1::bigint::oid`, r.sequence, r.cursor.hi).Scan(&pid, &last, &cache, &above, &position, &oldest, &seconds)
	if err != nil {
		return fmt.Errorf("cannot see how far behind it is: %w", err)
	}
	if err := pgconn.SameSession(r.s.conn, pid, r.pid); err != nil {
		return err
	}
	r.s.lagRows.Set(float64(max(last-r.cursor.hi, 0)))
	r.s.lagSeconds.Set(max(seconds, 0))
	r.s.oldest.Set(max(oldest, 0))
	r.s.gaps.Set(float64(r.cursor.open()))
	r.warn()
	r.memory.position = max(r.memory.position, position)
	switch {
	case cache != 1:
		return checkCache(cache)
	case last < r.cursor.hi && !above:
		return &wentBack{sequenceBack(last, r.cursor.hi)}
	case above:
		return r.clear(ctx)
	}
	return nil
}

// position returns how far the reader is.
func (r *reader) position() position {
	return position{r.cursor.snapshot(), r.snapshot, r.horizon.seen()}
}

// warn says when a transaction is open for so long that the outbox grows.
func (r *reader) warn() {
	if low := r.cursor.low(); low != r.low {
		r.low, r.lowSince = low, time.Now()
	}
	if len(r.cursor.gaps) > 0 && time.Since(r.lowSince) > gapAlarm {
		r.s.log.Warn("a transaction is open for long: what is written after it stays in the outbox; gateway check --live names it", "for", time.Since(r.lowSince).Round(time.Second))
		r.lowSince = time.Now()
	}
}

// wait pauses, until a batch is settled at most.
func (r *reader) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.flight.Changed:
	case <-ctx.Done():
	}
}
