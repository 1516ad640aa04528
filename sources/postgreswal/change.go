package postgreswal

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/rawjson"
)

var operations = map[byte]string{'I': "INSERT", 'U': "UPDATE", 'D': "DELETE", 'T': "TRUNCATE"}

// rowEvent returns the event of a change of a row. If the key has changed, the event has both keys. If the key is not known, the
// event is a barrier of its table.
func (r *reader) rowEvent(ctx context.Context, rel *relation, c *rowChange) (*event.Event, error) {
	attrs := append(make([]event.Attr, 0, 5), event.Attr{Name: event.AttrTable, Value: rel.table}, event.Attr{Name: "operation", Value: operations[c.op]})
	hasOld := c.oldKind != 0
	if hasOld {
		rel.markUnsent(c)
		if err := r.old.set(ctx, r, rel, c.old, nil, nil); err != nil {
			return nil, err
		}
	}
	row := &r.old
	if c.op != 'D' {
		row = &r.new
		if err := row.set(ctx, r, rel, c.new, c.old, nil); err != nil {
			return nil, err
		}
		if len(row.missing) > 0 {
			substitutes, err := r.readBack(ctx, rel, c.new, row)
			if err != nil {
				return nil, err
			}
			if len(substitutes) > 0 {
				attrs = append(attrs, event.Attr{Name: attrReadBack, Value: rel.columnNames(row.missing)})
				if err := row.set(ctx, r, rel, c.new, c.old, substitutes); err != nil {
					return nil, err
				}
			}
		}
	}
	key, known := row.key(rel)
	before := ""
	if c.op == 'U' && hasOld {
		var knownBefore bool
		before, knownBefore = r.old.key(rel)
		known = known && knownBefore
	}
	known = known && (c.op != 'U' || hasOld || rel.keySent)
	if names := rel.incomplete(row.missing); names != "" {
		attrs = append(attrs, event.Attr{Name: attrIncomplete, Value: names})
	}
	switch {
	case !known:
		key = rel.table
		attrs = append(attrs, event.Attr{Name: event.AttrBarrier, Value: rel.table})
	case before != "" && before != key:
		attrs = append(attrs, event.Attr{Name: event.AttrKeyBefore, Value: before})
	}
	var oldRow, newRow []byte
	if hasOld {
		oldRow = r.old.data
	}
	if c.op != 'D' {
		newRow = r.new.data
	}
	return r.newEvent(rel, operations[c.op], key, attrs, oldRow, newRow), nil
}

// truncateEvent returns the event of a TRUNCATE of one table.
func (r *reader) truncateEvent(rel *relation) *event.Event {
	attrs := []event.Attr{{Name: event.AttrTable, Value: rel.table}, {Name: "operation", Value: "TRUNCATE"}, {Name: event.AttrBarrier, Value: rel.table}}
	return r.newEvent(rel, "TRUNCATE", rel.table, attrs, nil, nil)
}

func (r *reader) newEvent(rel *relation, operation, key string, attrs []event.Attr, oldRow, newRow []byte) *event.Event {
	id := eventID(r.at, r.tx.committed)
	if r.s.opts.Transactions {
		attrs = append(attrs, event.Attr{Name: "xid", Value: strconv.FormatUint(uint64(r.tx.xid), 10)}, event.Attr{Name: "tx_position", Value: strconv.FormatInt(r.at.index, 10)})
	}
	e := &event.Event{ID: id, Source: r.s.name, Channel: rel.table, Key: key, Time: time.Now(), Origin: r.tx.committed, Attrs: attrs}
	if r.s.opts.Output == "order" {
		row := newRow
		if row == nil {
			row = oldRow
		}
		e.Data = pgconn.OrderPayload(operation, row)
		return e
	}
	b := append(make([]byte, 0, len(oldRow)+len(newRow)+len(rel.table)+170), `{"operation":"`...)
	b = append(append(b, operation...), `","table":`...)
	b = append(rawjson.AppendText(b, rel.table), `,"id":"`...)
	b = append(append(b, id...), `","at":"`...)
	b = append(r.tx.committed.UTC().AppendFormat(b, time.RFC3339Nano), `","old":`...)
	b = append(appendOrNull(b, oldRow), `,"new":`...)
	e.Data = append(appendOrNull(b, newRow), '}')
	return e
}

func appendOrNull(b, row []byte) []byte {
	if row == nil {
		return append(b, "null"...)
	}
	return append(b, row...)
}

// Attributes of events whose row is not as it was written. Both have names of columns, with commas between them.
const (
	attrReadBack   = "read_back"  // the values were read from the table, after the change
	attrIncomplete = "incomplete" // the row lacks the columns
)

func (rel *relation) columnNames(at []int) string {
	var names []string
	for _, i := range at {
		names = append(names, rel.columns[i].name)
	}
	return strings.Join(names, ",")
}

// incomplete returns the names of the columns that a row lacks.
func (rel *relation) incomplete(missing []int) string {
	if len(missing) == 0 && len(rel.absent) == 0 {
		return ""
	}
	names := slices.Clone(rel.absent)
	if len(missing) > 0 {
		names = append([]string{rel.columnNames(missing)}, names...)
	}
	return strings.Join(names, ",")
}
