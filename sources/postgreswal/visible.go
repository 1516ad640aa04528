package postgreswal

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/pgsnapshot"
)

// awaitVisible waits until other sessions see the transaction whose messages are read. The server sends a transaction when its commit
// is on the disk. Sessions see it a moment later, or when a synchronous standby has it. A query before that reads what the
// transaction has replaced.
func (r *reader) awaitVisible(ctx context.Context) error {
	for wait := minVisibleWait; !r.tx.visible; wait = min(2*wait, maxVisibleWait) {
		view, err := r.readView(ctx)
		if err != nil {
			return err
		}
		if r.tx.visible = view.Sees(view.FullXID(r.tx.xid)); r.tx.visible {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readView returns which transactions a query sees now.
func (r *reader) readView(ctx context.Context) (*pgsnapshot.TxSnapshot, error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var text string
	if err := r.conn.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&text); err != nil {
		return nil, fmt.Errorf("cannot read which transactions are open: %w", err)
	}
	return pgsnapshot.ParseTxSnapshot(text)
}
