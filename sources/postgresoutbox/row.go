package postgresoutbox

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/rawjson"
)

var operations = map[string]string{"I": "INSERT", "U": "UPDATE", "D": "DELETE", "T": "TRUNCATE", "R": "READ"}

// event returns the event of a row. If the key has changed, the event has both keys. If the key is not
// known, the event is a barrier of its table. The ID of the event includes the time: after a crash of
// the server an id may be drawn again for another change.
func (r *reader) event(ctx context.Context, one row) (*event.Event, error) {
	data := one.new
	if data == nil {
		data = one.old
	}
	key, err := r.key(ctx, one.table, data)
	if err != nil {
		return nil, err
	}
	operation := operations[one.op]
	attrs := []event.Attr{{Name: event.AttrTable, Value: one.table}, {Name: "operation", Value: operation}}
	if one.op == backfilled {
		attrs = append(attrs, event.Attr{Name: "snapshot", Value: "backfill"})
	}
	if one.trace != nil {
		if _, ok := event.ParseTraceParent(*one.trace); ok {
			attrs = append(attrs, event.Attr{Name: event.AttrTraceParent, Value: *one.trace})
		}
	}
	if one.op == "U" && key.known && !key.sameIn(one.old) {
		before, err := r.key(ctx, one.table, one.old)
		switch {
		case err != nil:
			return nil, err
		case !before.known:
			key.known = false
		case before.text != key.text:
			attrs = append(attrs, event.Attr{Name: event.AttrKeyBefore, Value: before.text})
		}
	}
	if !key.known { // TRUNCATE has none
		attrs = append(attrs, event.Attr{Name: event.AttrBarrier, Value: one.table})
	}
	origin := one.at
	if one.op == backfilled {
		origin = time.Time{} // the row was written before
	}
	return &event.Event{
		ID: strconv.FormatInt(one.id, 10) + "-" + strconv.FormatInt(one.at.UnixMicro(), 36), Source: r.s.name, Channel: one.table,
		Key: key.text, Time: time.Now(), Origin: origin, Data: r.payload(one, operation, data), Attrs: attrs,
	}, nil
}

func (r *reader) payload(one row, operation string, data []byte) []byte {
	if r.s.opts.Output == "order" {
		return pgconn.OrderPayload(operation, data)
	}
	b := fmt.Appendf(make([]byte, 0, len(one.old)+len(one.new)+150), `{"operation":"%s","table":`, operation)
	b = rawjson.AppendText(b, one.table)
	if one.op == backfilled {
		b = append(b, `,"snapshot":"backfill"`...)
	}
	return fmt.Appendf(b, `,"id":%d,"at":"%s","old":%s,"new":%s}`, one.id, one.at.UTC().Format(time.RFC3339Nano), orNull(one.old), orNull(one.new))
}

func orNull(b []byte) []byte {
	if b == nil {
		return []byte("null")
	}
	return b
}
