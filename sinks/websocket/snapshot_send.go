package websocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// snapshot is the answer to one request.
type snapshot struct {
	sink    *sink
	at      startPoint // from which the client subscribes
	gapMark string
	name    string
	pages   *pages
	filter  *rowFilter
	out     *snapshotWriter
	rows    int // that were sent
}

// run sends the snapshot, and returns the result for the metrics.
func (o *snapshot) run(ctx context.Context) (result string) {
	rows, err := o.pages.next(ctx)
	if err != nil && ctx.Err() == nil {
		o.sink.snapshots.failed.Log(o.sink.env.Log, slog.LevelWarn, "snapshot failed", "table", o.name, "error", err)
		o.out.w.Header().Set("Retry-After", "5")
		http.Error(o.out.w, errSnapshotFailed.Error(), http.StatusServiceUnavailable)
		return "failed"
	}
	o.out.begin()
	o.out.line(o.positionLine())
	for err == nil && len(rows) > 0 {
		if err = o.checkPosition(); err == nil {
			err = o.filter.each(ctx, rows, o.send)
		}
		if err == nil {
			rows, err = o.pages.next(ctx)
		}
	}
	if err == nil {
		err = o.checkPosition()
	}
	defer o.sink.metrics.snapshotRows.Add(float64(o.rows))
	if err == nil {
		o.out.line(fmt.Appendf(nil, `{"complete":true,"rows":%d}`, o.rows))
		if o.out.flush() == nil {
			return "complete"
		}
		return "cut"
	}
	return o.fail(ctx, err)
}

// fail ends the snapshot with the reason.
func (o *snapshot) fail(ctx context.Context, err error) (result string) {
	result = "cut"
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, errSnapshotPosition):
	case o.out.err != nil: // the client has gone
	default:
		o.sink.snapshots.failed.Log(o.sink.env.Log, slog.LevelWarn, "snapshot failed", "table", o.name, "error", err)
		err, result = errSnapshotFailed, "failed"
	}
	o.out.line(snapshotError(err))
	_ = o.out.flush() // the client may have gone
	return result
}

// send sends the payload of a row.
func (o *snapshot) send(payload []byte) error {
	o.rows++
	return o.out.line(payload)
}

// positionLine returns the first line: the position from which the client subscribes. Its epoch has a mark, by which a
// gap before the snapshot does not prevent the client from resuming.
func (o *snapshot) positionLine() []byte {
	at := o.at
	at.epoch += "." + o.gapMark
	return append(append([]byte{'{'}, positionFields(at)...), '}')
}

// checkPosition returns an error if the client could not resume from the position.
func (o *snapshot) checkPosition() error {
	if !o.sink.hub.holds(o.at, o.gapMark) {
		return errSnapshotPosition
	}
	return nil
}
