package postgreswal

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgjson"
	"eventgateway/gateway/plugin"
	"eventgateway/sources/postgreswal/spool"
)

const (
	readTimeout   = 10 * time.Second // of the statement that reads rows, in the server
	answerTimeout = 4 * time.Second  // how long the server may send nothing during a statement
	startTimeout  = 30 * time.Second // of the replication connection: the server reads the WAL from where the slot needs it
	saveEvery     = 100 * time.Millisecond
	idleWait      = time.Second
	capacityWait  = 50 * time.Millisecond
	costShare     = 10 // a slow task runs less often: it gets at most a tenth of the time
	// idleSaveBytes is how far the position may advance without an event before it is stored. Storing it writes WAL, too.
	idleSaveBytes = 1 << 20
	maintainEvery = 256 // messages
	// maxScratch is how many bytes of the memory for a row are kept for the next one.
	maxScratch = 1 << 20
)

// reader is the state of one Run. Only its goroutine uses it.
type reader struct {
	s         *source
	out       plugin.Output
	conn      *pgx.Conn
	stream    *feed
	streamErr error         // by which the stream has ended
	spool     *spool.Spool  // nil: there is none
	confirm   atomic.Uint64 // LSN up to which the server may remove its WAL
	read      atomic.Uint64 // LSN up to which a transaction was read; see noteRead
	stored    atomic.Uint64 // LSN of the stored position
	spooled   uint64        // the stored end of the spool, when the Run began

	token     int64
	history   string
	lastSaved [2]position // the positions that may be stored: the one loaded or stored last, and the one being stored

	relations     map[uint32]*relation
	types         *pgjson.Types
	tx            transaction
	readTo        uint64   // LSN of the message that is being processed; 0: not known
	at            position // of the change that is being processed
	emitted       position // changes up to it were emitted
	marked        uint64   // LSN of the latest mark
	passed        uint64   // LSN that the stream has passed
	change        rowChange
	old, new      rowText // scratch
	asText        bool    // a value that cannot be written as JSON is written as text
	otherEncoding bool    // the database has another encoding than UTF-8
	held          *event.Event
	heldAt        position
	snapshot      *snapshot
	moved         bool // the tables have moved to an outbox: later changes are not emitted

	savedSnapshot *snapshot // stored last
	chunk         *waitingChunk
	unseen        unseen

	inFlight    *inflight.PositionTracker[mark]
	stall       inflight.StallDetector
	ackedEvents uint64 // when the position was stored last
	savedAt     time.Time
	saveTook    time.Duration
	checkedAt   time.Time // when the server answered, while the stream was silent
}

// run receives and emits until ctx ends.
func (r *reader) run(ctx context.Context) error {
	var spare []message
	for ctx.Err() == nil {
		messages, err := r.stream.take(spare)
		if isUntranslatable(err) && !r.s.untranslated {
			err = r.restartUntranslated(ctx)
		}
		if err != nil {
			r.streamErr = explainStream(err, r.s.opts)
			return r.streamErr
		}
		for i, m := range messages {
			if err := r.process(ctx, m); err != nil {
				return err
			}
			if i%maintainEvery == maintainEvery-1 {
				if err := r.maintain(ctx); err != nil {
					return err
				}
			}
		}
		if len(messages) > 0 {
			clear(messages) // else they would keep the memory of what was received
			spare = messages
		}
		if err := r.maintain(ctx); err != nil {
			return err
		}
		copied, err := r.emitSnapshot(ctx)
		if err != nil {
			return err
		}
		if len(messages) == 0 && !copied {
			r.wait(ctx)
		}
	}
	return ctx.Err()
}

// noteRead notes for the monitor how far a transaction was read. It counts while everything before that is delivered, but for what is in
// flight.
func (r *reader) noteRead() {
	read := uint64(0)
	if acked := r.inFlight.Acked(); r.tx.open && acked.lsn == r.tx.lsn {
		read = r.readTo
	}
	r.read.Store(read)
}

// awaitCapacity waits while in_flight events are not settled.
func (r *reader) awaitCapacity(ctx context.Context) error {
	for stalled := false; ; stalled = true {
		waiting, failed := r.inFlight.State()
		if failed != nil {
			return failed
		}
		if waiting < r.s.opts.InFlight {
			if stalled {
				r.stall.Clear(r.out)
			}
			return nil
		}
		r.stall.Check(r.out, r.inFlight.AckedEvents(), waiting)
		if err := r.maintain(ctx); err != nil {
			return err
		}
		t := time.NewTimer(capacityWait)
		select {
		case <-t.C:
		case <-r.inFlight.Changed:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// wait waits for messages, or until something else is due.
func (r *reader) wait(ctx context.Context) {
	d := r.snapshotWait()
	if r.needsSave() {
		d = min(d, time.Until(r.savedAt.Add(r.savePause())))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.stream.arrived:
	case <-r.inFlight.Changed:
	case <-ctx.Done():
	}
}

// maintain stores the position if that is due.
func (r *reader) maintain(ctx context.Context) error {
	if _, failed := r.inFlight.State(); failed != nil {
		return failed
	}
	r.noteRead()
	now := time.Now()
	if r.stream != nil && (r.stream.takeReplyWanted() || r.stream.silentFor() > askAfter && now.Sub(r.checkedAt) > askAfter) {
		if err := r.checkServer(ctx); err != nil {
			return err
		}
		r.checkedAt = time.Now()
	}
	if r.moved && r.inFlight.Acked().moved {
		return r.endMove(ctx)
	}
	if !r.needsSave() || now.Sub(r.savedAt) < r.savePause() {
		return nil
	}
	err := r.save(ctx)
	r.savedAt = time.Now()
	r.saveTook = r.savedAt.Sub(now)
	return err
}

func (r *reader) savePause() time.Duration { return max(saveEvery, costShare*r.saveTook) }

// needsSave reports whether the position has advanced by events, or far, or the snapshot has.
func (r *reader) needsSave() bool {
	if !r.inFlight.Progressed() {
		return false
	}
	acked := r.inFlight.Acked()
	return r.inFlight.AckedEvents() != r.ackedEvents || acked.lsn-r.lastSaved[0].lsn >= idleSaveBytes || acked.snapshot != r.savedSnapshot
}

// save stores the position up to which everything is acked, and confirms it to the server.
func (r *reader) save(ctx context.Context) error {
	acked := r.inFlight.AckedEvents()
	if !r.inFlight.StartCheckpoint() {
		return nil
	}
	if err := r.saveMark(ctx, r.inFlight.Acked()); err != nil {
		r.inFlight.CheckpointFailed()
		return err
	}
	r.ackedEvents = acked
	if r.stream != nil {
		r.stream.report(false)
	}
	return nil
}

// checkServer returns an error if the server does not answer, or shuts down. A server that shuts down ends this session, then asks the
// stream for replies until everything is confirmed, and ends only when that is so or the stream is closed. A silent stream alone is no proof: the server may be busy with a large
// transaction of other tables.
func (r *reader) checkServer(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	if _, err := r.conn.Exec(ctx, "SELECT"); err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	return nil
}

// endMove stores that everything before the move is delivered, and ends the run. The next one drops the slot.
func (r *reader) endMove(ctx context.Context) error {
	if err := r.saveMark(ctx, r.inFlight.Acked()); err != nil {
		return err
	}
	return errMoved
}

// withTimeout returns a context for one statement. It ends when the server sends nothing for answerTimeout.
func (r *reader) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return pgconn.WithSilenceTimeout(ctx, r.conn, answerTimeout)
}
