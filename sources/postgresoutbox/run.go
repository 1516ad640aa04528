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
	minPause        = 2 * time.Millisecond  // between two reads that find nothing
	maxPause        = 50 * time.Millisecond // while it does not sleep
	holdersEvery    = 200 * time.Millisecond
	saveEvery       = 50 * time.Millisecond
	deleteEvery     = time.Second
	maxDelete       = 10_000 // rows at once
	slowDelete      = 50 * time.Millisecond
	measureEvery    = 5 * time.Second
	costShare       = 10 // what takes long is done less often: it has a tenth of the time
	longTransaction = 5 * time.Minute
)

// reader is one Run.
type reader struct {
	s                 *source
	out               plugin.Output
	conn              *pgx.Conn
	pid               uint32 // of the server's process that serves conn
	token             int64
	sequence          int64 // oid of the outbox's
	cursor            cursor
	snapshot          snapshot
	known             knownState
	reuse             reuseDetector
	stored            [2]storedBounds // what may be stored: what was loaded or stored last, and what is being stored
	historySQL        historySQL
	hasHistoryColumns bool // the cursors have the columns history and seen
	inFlight          *inflight.PositionTracker[batchPosition]
	keys              map[string]*tableKey
	dirty             bool // gaps have died, or something was skipped, since the cursor was stored
	deletionPending   bool // what was delivered is not deleted yet
	moreToDelete      bool // the latest deletion has left some of it

	unemitted []int64 // ids that were read, and not emitted yet
	stall     inflight.StallDetector

	lockedOutSince time.Time // since when another session keeps it from sleeping; zero: none does

	lowSeen  int64     // as measure has seen it last
	lowSince time.Time // when it was another one, or when warn said so

	tablesOfOthers map[string]time.Time // tables that another reader has, and when that was seen

	holdersChecked, savedAt, deletedAt, measuredAt, trimWarnedAt time.Time
	saveTook, deleteTook, measureTook                            time.Duration // how long the latest took
}

func (r *reader) run(ctx context.Context, out plugin.Output) error {
	pause := minPause
	for ctx.Err() == nil {
		n, err := r.readAndEmit(ctx, out)
		if err != nil {
			return err
		}
		copied, err := r.emitSnapshot(ctx, out)
		if err != nil {
			return err
		}
		if n > 0 || copied {
			pause = minPause
			continue
		}
		if slept, err := r.sleep(ctx, out, pause); err != nil {
			return err
		} else if slept {
			pause = minPause
			continue
		}
		r.wait(ctx, pause)
		pause = min(2*pause, maxPause)
	}
	return ctx.Err()
}

// room waits while the routes are behind.
func (r *reader) awaitCapacity(ctx context.Context, out plugin.Output) error {
	defer r.stall.Clear(out)
	for {
		waiting, failed := r.inFlight.State()
		if failed != nil {
			return failed
		}
		if waiting < r.s.opts.InFlight {
			return nil
		}
		r.stall.Check(out, r.inFlight.AckedEvents(), waiting)
		if err := r.maintain(ctx); err != nil {
			return err
		}
		r.wait(ctx, maxPause)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// step reads and emits once, and does what is due beside. It returns how many rows it
// has read.
func (r *reader) readAndEmit(ctx context.Context, out plugin.Output) (int, error) {
	if err := r.awaitCapacity(ctx, out); err != nil {
		return 0, err
	}
	rows, err := r.read(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.emit(ctx, out, rows); err != nil {
		return 0, err
	}
	return len(rows), r.maintain(ctx)
}

// emit hands changes over, each as a batch of its own: one that no sink takes holds up no other.
func (r *reader) emit(ctx context.Context, out plugin.Output, rows []row) error {
	for _, one := range rows {
		if len(r.s.tables) > 0 && !r.s.tables[one.table] {
			if err := r.skip(ctx, one.table); err != nil {
				return err
			}
			r.unemitted, r.dirty = r.unemitted[1:], true
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
		ack := r.inFlight.Add(batchPosition{changeID: one.id}, len(events))
		r.unemitted = r.unemitted[1:]
		if err := out.Emit(ctx, event.Batch{Events: events, Ack: ack}); err != nil {
			return err
		}
	}
	return nil
}

// upkeep does what is due from time to time.
func (r *reader) maintain(ctx context.Context) error {
	now := time.Now()
	due := func(last *time.Time, every time.Duration) bool {
		if now.Sub(*last) < every {
			return false
		}
		*last = now
		return true
	}
	if len(r.cursor.pending) > 0 && due(&r.holdersChecked, holdersEvery) {
		if err := r.updateHolders(ctx); err != nil {
			return err
		}
	}
	if (r.dirty || r.inFlight.Progressed()) && due(&r.savedAt, max(saveEvery, costShare*r.saveTook)) {
		begin := time.Now()
		err := r.save(ctx)
		if r.saveTook = time.Since(begin); err != nil {
			return err
		}
	}
	every := r.s.deleteEvery
	if r.moreToDelete { // a third of the time: deletion keeps up with what is delivered
		every = 0
	}
	if due(&r.deletedAt, max(every, 2*r.deleteTook)) {
		begin := time.Now()
		err := r.deleteDelivered(ctx)
		if r.deleteTook = time.Since(begin); err != nil {
			return err
		}
	}
	if due(&r.measuredAt, max(r.s.measureEvery, costShare*r.measureTook)) {
		begin := time.Now()
		err := r.inspectDatabase(ctx)
		if r.measureTook = time.Since(begin); err != nil {
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
	case <-r.inFlight.Changed:
	case <-ctx.Done():
	}
}
