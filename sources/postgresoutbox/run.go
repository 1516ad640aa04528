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
	minPause        = 2 * time.Millisecond  // between two reads without rows
	maxPause        = 50 * time.Millisecond // if it cannot sleep
	holdersEvery    = 200 * time.Millisecond
	saveEvery       = 50 * time.Millisecond
	deleteEvery     = time.Second
	maxDelete       = 10_000 // rows at once
	slowDelete      = 50 * time.Millisecond
	measureEvery    = 5 * time.Second
	costShare       = 10 // a slow task runs less often: it gets at most a tenth of the time
	longTransaction = 5 * time.Minute
)

// reader is the state of one Run. Only its goroutine uses it.
type reader struct {
	s                 *source
	out               plugin.Output
	conn              *pgx.Conn
	pid               uint32 // of the server's process that serves conn
	token             int64
	sequence          int64 // its oid
	cursor            cursor
	snapshot          snapshot
	known             knownState
	reuse             reuseDetector
	stored            [2]storedBounds // the cursors that may be stored: the one loaded or stored last, and the one being stored
	historySQL        historySQL
	hasHistoryColumns bool // the cursors have the columns history and seen
	hasBound          bool // the SQL of the outbox enforces bounds
	hasTrace          bool // the outbox stores the trace of a change
	detached          bool // this run began with a detached reader
	readSQL           string
	inFlight          *inflight.PositionTracker[batchPosition]
	keys              map[string]*tableKey
	dirty             bool // the cursor changed without an ack since it was stored
	deletionPending   bool // delivered changes may not be deleted yet
	moreToDelete      bool // the latest deletion left some of them

	older     []idRange // unread changes above the sequence, which was set back; they are read first
	unemitted []int64   // ids that were read, and not emitted yet
	stall     inflight.StallDetector

	lockedOutSince time.Time // since when another session has the lock that it needs to sleep; zero if none has

	lowSeen  int64     // cursor.low in the latest measurement
	lowSince time.Time // when it changed, or when a warning was logged

	tablesOfOthers map[string]time.Time // tables that another reader has, and when that was checked

	holdersChecked, savedAt, deletedAt, measuredAt, trimWarnedAt time.Time
	saveTook, deleteTook, measureTook                            time.Duration // durations of the latest
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

// awaitCapacity waits while in_flight events are not settled.
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

// readAndEmit reads and emits once, and runs maintenance. It returns the number of rows read.
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

// emit emits each change as a batch of its own, so that an undelivered change delays no other.
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
			out.Gap(fmt.Sprintf("a change of %s has no row: its trigger !gateway_json is missing or disabled", one.table))
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

// maintain runs the periodic tasks that are due.
func (r *reader) maintain(ctx context.Context) error {
	now := time.Now()
	due := func(last *time.Time, every time.Duration) bool {
		if now.Sub(*last) < every {
			return false
		}
		*last = now
		return true
	}
	if len(r.cursor.pending) > 0 && len(r.older) == 0 && due(&r.holdersChecked, holdersEvery) {
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
	if r.moreToDelete { // up to a third of the time, so that deletion keeps up with delivery
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

// wait pauses for d, or until a batch is settled.
func (r *reader) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.inFlight.Changed:
	case <-ctx.Done():
	}
}
