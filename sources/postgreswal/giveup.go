package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// giveUp drops the slot, so that the server may remove its WAL also while a sink blocks the reader. The reader still emits what is in
// memory and in the spool. Then this Run ends, and the next one reports the gap and makes a new slot. After a failure, giveUp is retried.
func (m *monitor) giveUp(ctx context.Context) error {
	given := fmt.Errorf("the slot %s was given up, and changes are lost: %s", m.r.s.opts.Slot, m.givenUp)
	m.startedAt = time.Now()
	m.feed.disconnect(nil) // an error would end the Run before the slot is dropped
	conn, err := m.session(ctx)
	if err != nil {
		m.logOnce(err, "giving the slot up failed")
		return nil
	}
	if err = m.r.checkToken(ctx, conn); errors.Is(err, errFenced) {
		return err
	}
	if err == nil {
		err = m.endFormerStream(ctx, conn)
	}
	if err == nil {
		m.r.s.givenUp = m.givenUp // the next Run reads it, after this goroutine has ended
		err = (&reader{s: m.r.s, conn: conn}).dropSlot(ctx)
	}
	if hasState(err, undefinedObject) { // the slot is gone already
		err = nil
	}
	if err != nil {
		m.logOnce(err, "giving the slot up failed")
		m.disconnect()
		return nil
	}
	m.r.s.log.Error("slot was given up", "slot", m.r.s.opts.Slot, "reason", m.givenUp)
	m.r.out.ReportError(given) // now: the Run ends only when no sink blocks the reader
	return given
}
