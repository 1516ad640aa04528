package postgresoutbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	maxRows  = 500      // pending ones, and new ones, in one read
	maxBytes = 16 << 20 // after which a read stops
	// slowLinkBytes is the size from which on the link is assumed to be the reason of a slow read.
	slowLinkBytes = 256 << 10
	// maxPending bounds the memory, and the time of a read. Pending ranges are many only if the changes
	// between them cannot be deleted, because another reader is behind. Beyond it nothing above
	// high is read until there are fewer.
	maxPending = 500_000
)

// read reads the next rows, in the order of their ids, and advances the cursor. Until they are emitted
// their ids are in unemitted.
func (r *reader) read(ctx context.Context) ([]row, error) {
	for {
		older := len(r.older) > 0
		rows, ended, err := r.readOnce(ctx)
		switch {
		case err != nil:
			return rows, err
		case len(ended) > 0:
			r.cursor.noteEnded(ended) // their changes come before later ones of the same rows
		case older && len(rows) == 0:
			r.older = nil
		default:
			return rows, nil
		}
	}
}

// readOnce reads the next rows. If transactions of skipped ranges have ended, it reads nothing and returns them.
func (r *reader) readOnce(ctx context.Context) (all []row, ended []int64, err error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	from, to, open := r.cursor.rangesToRead()
	limit := max(r.s.readLimit, len(from)/20) // many ranges make a read slow, so it reads more
	aboveLimit := r.s.readLimit
	if len(from) > maxPending {
		aboveLimit = 0
	}
	if len(r.older) > 0 {
		from, to, open, limit, aboveLimit = []int64{}, []int64{}, []int64{}, r.s.readLimit, 0
		for _, g := range r.older[:min(len(r.older), maxRows)] {
			from, to = append(from, g.from), append(to, g.to)
		}
	}
	begin := time.Now()
	got, err := r.queryRows(ctx, r.cursor.high, limit, from, to, aboveLimit, open)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the outbox: %w", err)
	}
	inPending, aboveHigh, stopped := got.inPending, got.aboveHigh, got.stopped
	if ended = got.ended; len(ended) > 0 {
		return nil, ended, nil
	}
	switch took := time.Since(begin); {
	case took > slowRead:
		r.s.readLimit = max(r.s.readLimit/4, 1)
		if fit := int(time.Duration(len(inPending)+len(aboveHigh)) * slowRead / took); stopped && got.bytes > slowLinkBytes {
			r.s.readLimit = max(min(r.s.readLimit, fit), 1) // what the server sends beyond is wasted
		}
	case stopped:
		r.s.readLimit = max(r.s.readLimit/2, 1)
	default:
		r.s.readLimit = min(2*limit, maxRows)
	}
	// If not all pending changes were seen, no change above high may overtake them.
	sawUpTo := int64(sawAll)
	if len(inPending) == limit || stopped && len(aboveHigh) == 0 {
		aboveHigh, sawUpTo = nil, inPending[len(inPending)-1].id
		r.holdersChecked = time.Time{} // check at once which transactions have ended: there is more to read
	}
	if len(r.older) > 0 {
		if sawUpTo = 0; len(inPending) > 0 {
			r.noteOlderRead(inPending[len(inPending)-1].id)
		}
	}
	all = append(inPending, aboveHigh...)
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.id, b.id) })
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].id
	}
	r.reuse.noteRead(all, got.in)
	if n := len(all); n > 0 && all[n-1].id > r.cursor.high {
		r.known.lastChange = changeMark{all[n-1].id, all[n-1].at}
	}
	r.dirty = r.dirty || r.cursor.hasFinal
	r.cursor.advance(ids, sawUpTo)
	if sawUpTo == sawAll {
		r.cursor.noteFullRead()
	}
	r.unemitted = append(r.unemitted, ids...)
	return all, nil, nil
}

// sequenceHoldersSQL finds the transactions that hold the lock on the sequence, with the lower 32 bits of
// their ids. A transaction with subtransactions has several ids, of which its own is the oldest.
const sequenceHoldersSQL = `WITH l AS MATERIALIZED (SELECT * FROM pg_locks)
	SELECT s.virtualtransaction, coalesce((SELECT t.transactionid::text::bigint FROM l t WHERE t.locktype = 'transactionid' AND t.mode = 'ExclusiveLock'
		AND t.virtualtransaction = s.virtualtransaction ORDER BY age(t.transactionid) DESC LIMIT 1), 0)
	FROM l s WHERE s.locktype = 'relation' AND s.mode = 'RowExclusiveLock'
	AND s.relation = $1::bigint::oid AND s.database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// updateHolders reads which transactions may still commit pending ids. A transaction that has drawn an id
// holds a lock on the sequence until its changes are visible.
func (r *reader) updateHolders(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var last int64
	if err := r.conn.QueryRow(ctx, "SELECT coalesce(pg_sequence_last_value($1::bigint::oid), 0)", r.sequence).Scan(&last); err != nil {
		return fmt.Errorf("cannot read the sequence of the outbox: %w", err)
	}
	rows, err := r.conn.Query(ctx, sequenceHoldersSQL, r.sequence)
	if err != nil {
		return fmt.Errorf("cannot read the open transactions: %w", err)
	}
	now, name, xid := lockHolders{}, "", int64(0)
	if _, err := pgx.ForEachRow(rows, []any{&name, &xid}, func() error {
		now[name] = r.reuse.fullXID(xid)
		return nil
	}); err != nil {
		return fmt.Errorf("cannot read the open transactions: %w", err)
	}
	r.cursor.updateHolders(now, last)
	return nil
}
