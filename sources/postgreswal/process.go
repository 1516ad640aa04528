package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
)

// transaction is the transaction whose changes are being received.
type transaction struct {
	open      bool
	lsn       uint64 // of its commit record
	committed time.Time
	xid       uint32
	visible   bool // to other sessions, as far as awaitVisible has found out
	moves     bool // the tables move to an outbox
}

// uuid matches the text of a message that the gateway's commands write.
var uuid = regexp.MustCompile(`^[0-9a-f-]{36}$`)

// isCommand reports whether a message of the type M may be one of the gateway's commands. Any role can write other messages, of up to
// 1 GB. These are ignored, so that they fill neither the memory nor the spool.
func isCommand(data []byte) bool {
	s := scanner{data: data[1:]}
	s.bytes(9) // flags, and the LSN of the message
	prefix, length := s.text(), s.uint32()
	return (prefix == movePrefix || prefix == backfillPrefix) && length == 36 && uuid.Match(s.data)
}

// postgresEpoch is the begin of PostgreSQL's timestamps, in Unix microseconds.
const postgresEpoch = 946_684_800_000_000

// process handles one message of the stream.
func (r *reader) process(ctx context.Context, m message) error {
	if m.isKeepalive() {
		if !r.tx.open {
			r.advance(m.lsn)
		}
		return nil
	}
	r.readTo = m.lsn
	s := scanner{data: m.data[1:]}
	switch kind := m.data[0]; kind {
	case 'B':
		r.tx = transaction{open: true, lsn: s.uint64(), committed: time.UnixMicro(int64(s.uint64()) + postgresEpoch), xid: s.uint32()}
		r.at = position{lsn: r.tx.lsn}
		r.held = nil // of a transaction that the server sends again from its begin
		return s.err
	case 'C':
		s.bytes(9) // flags, and the LSN of the commit record
		end := s.uint64()
		if s.err != nil {
			return s.err
		}
		if err := r.release(ctx, true); err != nil {
			return err
		}
		r.tx.open = false
		r.moved = r.moved || r.tx.moves
		r.advance(end)
		r.noteCommitted(r.tx)
	case 'R':
		rel, err := readRelation(m.data)
		if err != nil {
			return err
		}
		if err := r.translateRelation(ctx, rel); err != nil {
			return err
		}
		rel.emitted = len(r.s.tables) == 0 || r.s.tables[rel.table]
		r.relations[rel.oid] = rel
	case 'I', 'U', 'D':
		if err := readRowChange(m.data, &r.change); err != nil {
			return err
		}
		return r.processRow(ctx, &r.change)
	case 'T':
		n := s.uint32()
		s.byte()
		for range n {
			oid := s.uint32()
			if s.err != nil {
				return s.err
			}
			r.at.index++
			rel, err := r.relation(oid)
			if err != nil {
				return err
			}
			if r.at.compare(r.emitted) > 0 && rel.emitted && !r.moved {
				if err := r.hold(ctx, r.truncateEvent(rel)); err != nil {
					return err
				}
			}
		}
	case 'M':
		s.bytes(9) // flags, and the LSN of the message
		prefix, text := s.text(), string(s.bytes(int(s.uint32())))
		if s.err != nil || !r.tx.open { // such a message is written in a transaction
			return s.err
		}
		switch prefix {
		case movePrefix:
			is, err := r.isMove(ctx, text)
			r.tx.moves = r.tx.moves || is
			return err
		case backfillPrefix:
			return r.startBackfill(ctx, text)
		}
		return s.err
	case 'Y', 'O': // names of types, and origins: the source does not need them
	default:
		return fmt.Errorf("the server sent a message of pgoutput of the type %q, which this version does not know", kind)
	}
	return nil
}

func (r *reader) relation(oid uint32) (*relation, error) {
	rel := r.relations[oid]
	if rel == nil {
		return nil, fmt.Errorf("the server sent a change of the table with the OID %d without its columns", oid)
	}
	return rel, nil
}

// processRow emits a change of a row, unless it was emitted before or its table is not in tables.
func (r *reader) processRow(ctx context.Context, c *rowChange) error {
	r.at.index++
	rel, err := r.relation(c.relation)
	if err != nil {
		return err
	}
	if r.at.compare(r.emitted) <= 0 || r.moved {
		return nil
	}
	if !rel.emitted {
		r.s.skipped.Inc()
		return nil
	}
	if !rel.known {
		if err := r.resolve(ctx, rel); err != nil {
			return err
		}
	}
	defer r.releaseLarge()
	e, err := r.rowEvent(ctx, rel, c)
	if errors.As(err, new(*valueError)) { // the type may have changed since it was read
		e, err = r.rowEventAgain(ctx, rel, c)
	}
	if err != nil {
		return err
	}
	return r.hold(ctx, e)
}

// releaseLarge releases the memory of a large row. The memory of other rows is reused.
func (r *reader) releaseLarge() {
	if cap(r.old.data)+cap(r.new.data) > maxScratch {
		r.old, r.new, r.change = rowText{}, rowText{}, rowChange{}
	}
}

// rowEventAgain reads the types again, and then makes the event. If a value still cannot be written as JSON, the row has it as text.
func (r *reader) rowEventAgain(ctx context.Context, rel *relation, c *rowChange) (*event.Event, error) {
	r.types.Reset()
	for _, other := range r.relations {
		other.known = false
	}
	if err := r.resolve(ctx, rel); err != nil {
		return nil, err
	}
	e, err := r.rowEvent(ctx, rel, c)
	if errors.As(err, new(*valueError)) {
		r.s.reportOnce(r.out, err)
		r.asText = true
		defer func() { r.asText = false }()
		e, err = r.rowEvent(ctx, rel, c)
	}
	return e, err
}

// hold emits an event. With the option transactions it holds the event, and emits the one that was held: only the next message of the
// stream shows whether an event is the last of its transaction.
func (r *reader) hold(ctx context.Context, e *event.Event) error {
	r.noteChange(e)
	if !r.s.opts.Transactions {
		return r.emit(ctx, e, r.at)
	}
	if err := r.release(ctx, false); err != nil {
		return err
	}
	r.held, r.heldAt = e, r.at
	return nil
}

// release emits the event that is held, if there is one. last is the value of its attribute tx_last.
func (r *reader) release(ctx context.Context, last bool) error {
	e := r.held
	if e == nil {
		return nil
	}
	r.held = nil
	text := "false"
	if last {
		text = "true"
	}
	e.Attrs = append(e.Attrs, event.Attr{Name: "tx_last", Value: text})
	return r.emit(ctx, e, r.heldAt)
}

// emit emits an event as a batch of its own, so that an undelivered change delays no other key.
func (r *reader) emit(ctx context.Context, e *event.Event, at position) error {
	if err := r.awaitCapacity(ctx); err != nil {
		return err
	}
	r.emitted = at
	m := r.markAt(at)
	m.committed = r.tx.committed.UnixMicro()
	ack := r.inFlight.Add(m, 1)
	return r.out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: ack})
}

// advance notes that the stream has passed an LSN: everything that was committed before it was emitted.
func (r *reader) advance(lsn uint64) {
	if lsn <= r.marked {
		return
	}
	r.marked, r.passed = lsn, lsn
	m := r.markAt(position{lsn: lsn})
	r.inFlight.AddAcked(inflight.Span[mark]{First: m, Last: m})
}

// markAt returns the mark of a position that the reader has come to.
func (r *reader) markAt(at position) mark {
	return mark{position: at, snapshot: r.snapshot, moved: r.moved}
}
