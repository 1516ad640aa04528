package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"time"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// stuckAfter is for how long consecutive Runs may end with an error and confirm nothing. Then giveUpStuck compares the lag with max_lag.
const stuckAfter = time.Minute

// stuck notes that Runs end and nothing is confirmed, because the server cannot decode a change, or a batch was nacked. Such a Run is
// too short for the monitor to act, so the slot would hold WAL without bound.
type stuck struct {
	err       error     // of the last Run; nil: it ended for another reason
	inStream  bool      // the server has sent err in the stream
	confirmed uint64    // when the first of these Runs began
	since     time.Time // when the first of these Runs began
}

// begin notes that a Run begins with a slot that is confirmed up to an LSN.
func (k *stuck) begin(confirmed uint64) {
	if k.err == nil || k.confirmed != confirmed {
		k.confirmed, k.since = confirmed, time.Now()
	}
}

// end notes why a Run has ended: by an error of the stream, or of a batch that was nacked. Both may be nil.
func (k *stuck) end(inStream, nacked error) {
	var serverErr *pg.PgError
	if !errors.As(inStream, &serverErr) || plugin.IsUnavailable(pgconn.Unavailable(inStream)) {
		inStream = nil
	}
	k.err, k.inStream = inStream, inStream != nil
	if k.err == nil {
		k.err = nacked
	}
}

// giveUpStuck drops the slot if earlier Runs have confirmed nothing for stuckAfter, and the lag is beyond max_lag. With then: spool it does
// not drop the slot because of a nack: the monitor spools the changes instead.
func (r *reader) giveUpStuck(ctx context.Context, slot *slotState) error {
	k, limit := &r.s.stuck, r.s.opts.MaxLag
	k.begin(slot.confirmed)
	if k.err == nil || time.Since(k.since) < r.s.stuckAfter || limit.Then == "spool" && !k.inStream {
		return nil
	}
	var bytes int64
	asking, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := r.conn.QueryRow(asking, "SELECT (pg_current_wal_lsn() - $1::text::pg_lsn)::bigint", lsnText(slot.confirmed)).Scan(&bytes); err != nil {
		return fmt.Errorf("cannot measure the lag of the slot %s: %w", r.s.opts.Slot, err)
	}
	if (limit.Bytes == 0 || bytes <= int64(limit.Bytes)) && (limit.Age == 0 || time.Since(k.since) <= limit.Age.D()) {
		return nil
	}
	reason := fmt.Sprintf("nothing was delivered for %v, and the lag was %.1f MiB of WAL, beyond max_lag (%s): %v", time.Since(k.since).Round(time.Second), float64(bytes)/(1<<20), limit, k.err)
	if err := r.dropSlot(ctx); err != nil {
		return err
	}
	r.s.log.Error("slot was given up", "slot", r.s.opts.Slot, "reason", reason)
	r.s.givenUp, slot.exists = reason, false
	*k = stuck{}
	return nil
}
