package postgreswal

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgsnapshot"
	"eventgateway/gateway/pgtrigger"
)

const (
	// maxChunkRows is large because each chunk costs about 20 round trips, whatever its size.
	maxChunkRows = 5000
	// askAgain is the pause before the server is asked again how far it has read.
	askAgain = 100 * time.Millisecond
)

// waitingChunk is a chunk that waits until the stream has passed its high watermark.
type waitingChunk struct {
	*pgsnapshot.Chunk
	high  uint64 // LSN of the high watermark
	asked time.Time
}

// emitSnapshot reads the next chunk, or emits rows of the chunk that waits. It reports whether it has made progress.
func (r *reader) emitSnapshot(ctx context.Context) (bool, error) {
	switch {
	case r.snapshot == nil || !r.snapshot.unfinished || r.moved:
		return false, nil
	case r.chunk != nil:
		return r.emitChunk(ctx)
	case time.Now().Before(r.unseen.waiting.until):
		return false, nil
	}
	table := r.s.snapshotReader.Next(r.snapshot.Tables)
	blocked := table != "" && r.blocks(table)
	if blocked || len(r.unseen.txs) > r.unseen.lookAt {
		if err := r.lookVisible(ctx); err != nil {
			return false, err
		}
	}
	if table == "" {
		return false, nil
	}
	if blocked && r.blocks(table) {
		r.waitVisible(table)
		return false, nil
	}
	r.unseen.waiting.since, r.unseen.waiting.last = time.Time{}, 0
	return r.readChunk(ctx, table)
}

// readChunk reads a chunk, and writes its high watermark. A table that cannot be read is paused; changes and other tables go on.
func (r *reader) readChunk(ctx context.Context, table string) (bool, error) {
	name, _ := pgtrigger.ParseQualified(table)
	c, err := r.s.snapshotReader.Read(ctx, table, name.String(), r.snapshot.Tables[table], "", nil)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		r.s.snapshotReader.Pause(r.s.log, table, err)
		return false, nil
	}
	r.s.snapshotReader.Resume(table)
	r.setView(c.Seen)
	if len(c.Rows) == 0 {
		r.completeTable(table)
		r.markSnapshot()
		return true, nil
	}
	high, err := r.writeWatermark(ctx)
	if err != nil {
		return false, err
	}
	r.chunk = &waitingChunk{Chunk: c, high: high}
	return true, nil
}

// writeWatermark writes a message into the WAL, and returns its LSN.
func (r *reader) writeWatermark(ctx context.Context) (uint64, error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var lsn int64
	if err := r.conn.QueryRow(ctx, "SELECT (pg_logical_emit_message(true, 'gateway', '') - '0/0')::bigint").Scan(&lsn); err != nil {
		return 0, fmt.Errorf("cannot write the high watermark of a chunk: %w", err)
	}
	return uint64(lsn), nil
}

// emitChunk emits rows of the chunk that waits, if the stream is between two transactions and has passed the high watermark. It emits
// only as many as may be in flight; the others stay in the chunk.
func (r *reader) emitChunk(ctx context.Context) (bool, error) {
	c := r.chunk
	switch {
	case r.tx.open || r.passed < c.high:
		if time.Since(c.asked) > askAgain {
			c.asked = time.Now()
			r.stream.report(true)
		}
		return false, nil
	case r.blocks(c.Table):
		r.chunk = nil // it is read again
		return true, nil
	}
	if err := r.awaitCapacity(ctx); err != nil {
		return false, err
	}
	waiting, _ := r.inFlight.State()
	state, room := r.snapshot.Tables[c.Table], r.s.opts.InFlight-waiting
	var events []*event.Event
	n := 0
	for ; n < len(c.Rows) && len(events) < room; n++ {
		key, known := c.RowKey(c.Rows[n])
		if !r.unseen.excludes(c.Table, key) {
			events = append(events, c.Event(r.s.name, r.s.opts.Output, state, c.Rows[n], key, known))
		}
	}
	tables := r.snapshot.Tables.WithChunk(c.Chunk, c.Rows[n-1].Key)
	if c.Rows = c.Rows[n:]; len(c.Rows) == 0 {
		r.chunk = nil
	}
	r.s.progress.Add(c.Table, len(events))
	r.snapshot = r.snapshot.withTables(tables)
	if len(events) == 0 {
		r.markSnapshot()
		return true, nil
	}
	r.s.snapshotRows.Add(float64(len(events)))
	ack := r.inFlight.Add(r.markAt(r.here()), len(events))
	return true, r.out.Emit(ctx, event.Batch{Events: events, Ack: ack})
}

// snapshotWait returns how long the reader may wait before it must call emitSnapshot.
func (r *reader) snapshotWait() time.Duration {
	switch {
	case r.snapshot == nil || !r.snapshot.unfinished:
		return idleWait
	case r.chunk != nil:
		return max(askAgain-time.Since(r.chunk.asked), 0)
	}
	if d := time.Until(r.unseen.waiting.until); d > 0 {
		return min(d, idleWait)
	}
	return idleWait
}
