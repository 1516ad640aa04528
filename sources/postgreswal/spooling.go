package postgreswal

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/sources/postgreswal/spool"
)

// The spool holds changes that are not yet delivered, so that the slot can be confirmed up to its end. This end is stored in the row of
// the slot, in the column spooled, before the slot is confirmed. So the slot is never ahead of both the position and the spool, unless
// another program has moved it, or the folder is gone or an older copy.

// openSpool opens the spool of the source; it returns nil if spool.path is not set. closeSpool closes it at the end of the Run.
func (s *source) openSpool(history string) (*spool.Spool, error) {
	if s.opts.Spool.Path == "" {
		return nil, nil
	}
	sp, err := spool.Open(s.opts.Spool.Path, s.spoolIdentity(history), int64(s.opts.Spool.MaxBytes))
	if err != nil {
		return nil, fmt.Errorf("cannot open the spool: %w", err)
	}
	return sp, nil
}

// spoolIdentity names the slot and database to which the spool belongs.
func (s *source) spoolIdentity(history string) string {
	database, _ := splitHistory(history)
	return fmt.Sprintf("the slot %s of the system/database %s", s.opts.Slot, database)
}

// spoolEnd returns the LSN up to which changes are in the spool; 0 if there is none.
func (r *reader) spoolEnd() uint64 {
	if r.spool == nil {
		return 0
	}
	return r.spool.End()
}

// beginSpool prepares the spool for a slot that is confirmed up to an LSN. It returns the position behind which the reader continues.
//
// Before a gap, the reader still emits what is in the spool, unless it is of another history. If only the stored position is gone, and
// the slot is not ahead of the spool, the spool is that of the slot: the reader emits all of it. A position of another database is
// not used, because its LSNs may be higher.
func (r *reader) beginSpool(ctx context.Context, loaded stored, slot slotState, gap bool) (position, error) {
	end, at := r.spoolEnd(), loaded.position
	unread, sameHistory := end > at.lsn, loaded.history == r.history || loaded.history == "" && !slot.made && slot.confirmed <= end
	switch {
	case unread && sameHistory && !gap:
	case unread && sameHistory && slot.confirmed > end:
		err := r.spool.Append(spool.Record{LSN: slot.confirmed, Commit: slot.confirmed})
		if err = cmp.Or(err, r.spool.Sync()); err != nil {
			return at, fmt.Errorf("cannot note the gap in the spool: %w", err)
		}
		end = slot.confirmed
	default:
		if end > 0 && (gap || !sameHistory) {
			if err := r.spool.Clear(); err != nil {
				return at, err
			}
		}
		end = 0
		if slot.made || slot.confirmed > at.lsn || loaded.isOfAnother(r.history) {
			at = position{lsn: slot.confirmed}
		}
	}
	if r.spooled = end; end == loaded.spooled {
		r.raiseConfirm(end)
		return at, nil
	}
	err := r.saveSpooled(ctx, r.conn, end)
	if err == nil {
		r.raiseConfirm(end)
	}
	return at, err
}

// saveSpooled stores the LSN up to which changes are in the spool; 0: the spool is empty. It may run while saveMark runs in another
// session.
func (r *reader) saveSpooled(ctx context.Context, conn *pgx.Conn, end uint64) error {
	ctx, cancel := pgconn.WithSilenceTimeout(ctx, conn, answerTimeout)
	defer cancel()
	var token int64
	err := conn.QueryRow(ctx, `UPDATE gateway.wal_reader SET spooled = nullif($3::text::pg_lsn, '0/0') WHERE slot = $1 AND token = $2 AND $4 = `+historySQL+` RETURNING token`,
		r.s.opts.Slot, r.token, lsnText(end), r.history).Scan(&token)
	if errors.Is(err, pgx.ErrNoRows) {
		return errFenced
	}
	if err != nil {
		return fmt.Errorf("cannot store how far changes are spooled: %w", err)
	}
	return nil
}

// checkToken returns errFenced if another reader has taken over.
func (r *reader) checkToken(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := pgconn.WithSilenceTimeout(ctx, conn, answerTimeout)
	defer cancel()
	var token int64
	if err := conn.QueryRow(ctx, "SELECT token FROM gateway.wal_reader WHERE slot = $1", r.s.opts.Slot).Scan(&token); err != nil {
		return fmt.Errorf("cannot read the stored position: %w", err)
	}
	if token != r.token {
		return errFenced
	}
	return nil
}

// raiseConfirm raises the LSN up to which the server may remove its WAL.
func (r *reader) raiseConfirm(lsn uint64) {
	for {
		before := r.confirm.Load()
		if lsn <= before || r.confirm.CompareAndSwap(before, lsn) {
			return
		}
	}
}

// connect starts a stream behind what is delivered or spooled. p is d if that is a pipe, and nil if it is a spooler.
func (r *reader) connect(ctx context.Context, d destination, p *pipe) error {
	from := max(r.confirm.Load(), r.spoolEnd())
	st, err := r.s.startStream(ctx, from, &r.confirm, d)
	if err != nil {
		return err
	}
	r.stream.connected(st, p)
	return nil
}

// startFeed starts the stream. If the spool has changes that are not yet emitted, the stream follows them.
func (r *reader) startFeed(ctx context.Context) error {
	r.stream = newFeed(r.spool)
	p := r.stream.newPipe()
	if r.spoolEnd() <= r.emitted.lsn {
		r.stream.current = p
	}
	return r.connect(ctx, p, p)
}

// explainAhead returns why changes may have been lost, if the slot is ahead of the position and of the spool.
func (r *reader) explainAhead(loaded stored, slot slotState, last string) string {
	spooled, end := fmt.Sprintf("changes up to %s were spooled", lsnText(loaded.spooled)), r.spoolEnd()
	switch {
	case slot.confirmed > max(loaded.position.lsn, loaded.spooled):
		return fmt.Sprintf("the slot %s was made anew or moved by another program: it is at %s, and %s", r.s.opts.Slot, lsnText(slot.confirmed), last)
	case r.spool == nil:
		return fmt.Sprintf("%s, and spool.path is not set any more; %s", spooled, last)
	case end == 0:
		return fmt.Sprintf("%s, and the spool %s is empty: it was deleted, or is on another host; %s", spooled, r.s.opts.Spool.Path, last)
	}
	return fmt.Sprintf("%s, and the spool %s ends at %s; %s", spooled, r.s.opts.Spool.Path, lsnText(end), last)
}

// closeSpool closes the spool at the end of a Run, and adds its errors to that of the Run. It clears a damaged spool. The next Run then
// finds that the slot is ahead of the spool, and reports a gap.
func (r *reader) closeSpool(runErr error) error {
	var err error
	if errors.Is(runErr, spool.ErrDamaged) {
		err = r.spool.Clear()
	}
	if err = errors.Join(err, r.spool.Close()); err == nil {
		return runErr
	}
	return errors.Join(runErr, err)
}
