package postgresoutbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

const (
	shortestPause = 2 * time.Millisecond  // between two reads that find nothing
	longestPause  = 50 * time.Millisecond // while it does not sleep
	settleEvery   = 200 * time.Millisecond
	saveEvery     = 50 * time.Millisecond
	retainEvery   = time.Second
	retainMost    = 10_000 // rows at once
	retainLong    = 50 * time.Millisecond
	measureEvery  = 5 * time.Second
	share         = 10 // what takes long is done less often: it has a tenth of the time
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
	kept     [2]kept // what may be stored: what was loaded or stored last, and what is being stored
	tells    teller
	columns  bool // the cursors have the columns history and seen
	flight   *inflight.PositionTracker[place]
	keys     map[string]*tableKey
	stale    bool // gaps have died, or something was skipped, since the cursor was stored
	untidy   bool // what was delivered is not deleted yet
	more     bool // the latest deletion has left some of it

	unemitted []int64 // ids that were read, and not emitted yet
	stands    inflight.StallDetector

	awake time.Time // since when another session keeps it from sleeping; zero: none does

	low      int64     // as measure has seen it last
	lowSince time.Time // when it was another one, or when warn said so

	others map[string]time.Time // tables that another reader has, and when that was seen

	settled, saved, retained, measured, trimmed time.Time
	saving, retaining, measuring                time.Duration // how long the latest took
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
func (r *reader) room(ctx context.Context, out plugin.Output) error {
	defer r.stands.Clear(out)
	for {
		waiting, failed := r.flight.State()
		if failed != nil {
			return failed
		}
		if waiting < r.s.opts.InFlight {
			return nil
		}
		r.stands.Check(out, r.flight.AckedEvents(), waiting)
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
	if err := r.room(ctx, out); err != nil {
		return 0, err
	}
	rows, err := r.read(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.emit(ctx, out, rows); err != nil {
		return 0, err
	}
	return len(rows), r.upkeep(ctx)
}

// emit hands changes over, each as a batch of its own: one that no sink takes holds up no other.
func (r *reader) emit(ctx context.Context, out plugin.Output, rows []row) error {
	for _, one := range rows {
		if len(r.s.tables) > 0 && !r.s.tables[one.table] {
			if err := r.skip(ctx, one.table); err != nil {
				return err
			}
			r.unemitted, r.stale = r.unemitted[1:], true
			continue
		}
		if one.op != "T" && one.old == nil && one.new == nil {
			out.Gap(fmt.Sprintf("a change of %s came without its row: its trigger !gateway_json is missing or disabled", one.table))
		}
		e, err := r.event(ctx, one)
		if err != nil {
			return err
		}
		events := []*event.Event{e}
		ack := r.flight.Add(place{id: one.id}, len(events))
		r.unemitted = r.unemitted[1:]
		if err := out.Emit(ctx, event.Batch{Events: events, Ack: ack}); err != nil {
			return err
		}
	}
	return nil
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
	if (r.stale || r.flight.Progressed()) && due(&r.saved, max(saveEvery, share*r.saving)) {
		begin := time.Now()
		err := r.save(ctx)
		if r.saving = time.Since(begin); err != nil {
			return err
		}
	}
	every := r.s.retainEvery
	if r.more { // a third of the time: deletion keeps up with what is delivered
		every = 0
	}
	if due(&r.retained, max(every, 2*r.retaining)) {
		begin := time.Now()
		err := r.retain(ctx)
		if r.retaining = time.Since(begin); err != nil {
			return err
		}
	}
	if due(&r.measured, max(r.s.measureEvery, share*r.measuring)) {
		begin := time.Now()
		err := r.inspectAll(ctx)
		if r.measuring = time.Since(begin); err != nil {
			return err
		}
	}
	return nil
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
