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
	readTimeout   = 10 * time.Second // of a statement that reads rows; the server ends it
	answerTimeout = 4 * time.Second  // how long the server may send nothing during a statement
	startTimeout  = 30 * time.Second // until a stream starts: the server first reads the WAL that the slot needs
	saveEvery     = 100 * time.Millisecond
	idleWait      = time.Second
	capacityWait  = 50 * time.Millisecond
	costShare     = 10 // storing the position takes at most a tenth of the time: if it is slow, it is done less often
	// idleSaveBytes is how far the position may advance without an event before it is stored. Storing it writes WAL, too.
	idleSaveBytes = 1 << 20
	maintainEvery = 256 // messages
	// maxScratch is how many bytes of a row's memory are reused for the next row.
	maxScratch = 1 << 20
)

// reader is the state of one Run. Only its goroutine uses it.
type reader struct {
	s         *source
	out       plugin.Output
	conn      *pgx.Conn
	stream    *feed
	streamErr error         // with which the stream has ended
	spool     *spool.Spool  // nil: there is none
	confirm   atomic.Uint64 // LSN up to which the server may remove its WAL
	read      atomic.Uint64 // LSN up to which the open transaction was read; see noteRead
	stored    atomic.Uint64 // LSN of the stored position
	spooled   uint64        // the stored end of the spool, when the Run began

	token     int64       // only the reader with the latest token may store a position
	history   string      // of the database; see historySQL
	lastSaved [2]position // what gateway.wal_reader may have: the position loaded or stored last, and the one being stored

	relations     map[uint32]*relation
	types         *pgjson.Types
	tx            transaction
	readTo        uint64   // LSN of the message that is being processed; 0: not known
	at            position // of the change that is being processed
	emitted       position // changes up to it were emitted
	marked        uint64   // LSN of the latest mark
	passed        uint64   // LSN up to which the stream has sent everything
	change        rowChange
	old, new      rowText      // scratch
	asText        bool         // a value that cannot be written as JSON is written as text
	otherEncoding bool         // the database has another encoding than UTF-8
	held          *event.Event // see hold
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
			clear(messages) // so that the memory of their data is freed
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

// noteRead notes for the monitor how far the open transaction was read. It notes 0 until everything before the transaction is acked.
func (r *reader) noteRead() {
	read := uint64(0)
	if acked := r.inFlight.Acked(); r.tx.open && acked.lsn == r.tx.lsn {
		read = r.readTo
	}
	r.read.Store(read)
}

// awaitCapacity waits until fewer events than in_flight are in flight.
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

// wait waits for messages or acks, or until the position or the snapshot is due.
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

// maintain stores the position if that is due. It checks the server if the stream is silent, and ends the Run after a nack or a move.
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

// needsSave reports whether there is a position to store: by acked events, by progress of the snapshot, or by idleSaveBytes of WAL.
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

// checkServer returns an error if the server does not answer, or shuts down. A server that shuts down first ends this session. Then it asks
// the stream for replies, and ends only when everything is confirmed or the stream is closed. A silent stream alone proves nothing: the
// server may decode a large transaction of other tables.
func (r *reader) checkServer(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	if _, err := r.conn.Exec(ctx, "SELECT"); err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	return nil
}

// endMove stores that everything before the move is delivered, and ends the Run. The next Run drops the slot.
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
