package postgreswal

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// giveUp drops the slot, so that the server may remove its WAL. When the reader has emitted what is in memory and in the spool, the
// next Run reports the gap and makes a new slot. So a blocked reader holds no WAL. A failure is tried again.
func (m *monitor) giveUp(ctx context.Context) error {
	given := fmt.Errorf("the slot %s was given up, and changes are lost: %s", m.r.s.opts.Slot, m.givenUp)
	m.feed.disconnect(given)
	conn, err := m.session(ctx)
	if err != nil {
		m.logOnce(err, "giving the slot up failed")
		return nil
	}
	r := m.r.withSession(conn)
	if err = m.r.checkToken(ctx, conn); errors.Is(err, errFenced) {
		return err
	}
	var slot slotState
	if err == nil {
		slot, err = r.readSlot(ctx)
	}
	if err == nil && slot.active != 0 {
		err = r.endFormerReader(ctx, slot)
	}
	if err == nil && slot.exists {
		m.r.s.givenUp = m.givenUp // the next Run reads it, after this goroutine
		err = r.dropSlot(ctx)
	}
	if err != nil {
		m.logOnce(err, "giving the slot up failed")
		m.disconnect()
		return nil
	}
	m.r.s.log.Error("slot was given up", "slot", m.r.s.opts.Slot, "reason", m.givenUp)
	m.r.out.ReportError(given) // the Run ends only when the reader is free
	return given
}

// withSession returns a reader that only asks the server about the slot, in another session.
func (r *reader) withSession(conn *pgx.Conn) *reader { return &reader{s: r.s, conn: conn} }
