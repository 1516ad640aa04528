package websocket

import (
	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

// rowTree is where the parts of a change of a row stand in the payload.
var changeTree, oldMember, newMember, operationMember, tableMember = func() (t rawjson.Tree, before, after, operation, table int) {
	before, after = t.Member(0, "old"), t.Member(0, "new")
	operation, table = t.Member(0, "operation"), t.Member(0, "table")
	return t, before, after, operation, table
}()

// changeSpans are the spans of rowTree.
type changeSpans [5]rawjson.Span

// withOldRow returns the event as it would be, had its row stayed as it was: with the old
// row in the place of the new one; nil where the old one is not known.
func withOldRow(e *event.Event) *event.Event {
	var spans changeSpans
	if changeTree.Find(e.Data, spans[:]) != nil {
		return nil
	}
	before, after := spans[oldMember], spans[newMember]
	if !before.Found() || !after.Found() {
		return nil
	}
	row := before.Of(e.Data)
	if len(row) == 0 || row[0] != '{' {
		return nil
	}
	data := make([]byte, 0, len(e.Data)+len(row))
	data = append(append(append(data, e.Data[:after.From]...), row...), e.Data[after.To:]...)
	return e.WithData(data)
}

// oldRowOnly returns what the filter of a client is asked about whose row has gone to others:
// the row as it was. By all else that the event holds, its key too, a filter could find out
// about the new row.
func oldRowOnly(e *event.Event) *event.Event {
	return &event.Event{Channel: e.Channel, Data: oldRowPayload(e, true)}
}

// oldRowPayload returns a payload with the row as it was, and nothing else that could be of the
// new row; in the place of that, the row as it was where stays is set, or null.
func oldRowPayload(e *event.Event, stays bool) []byte {
	var spans changeSpans
	if changeTree.Find(e.Data, spans[:]) != nil {
		return nil // beforeChange has found it
	}
	b := []byte{'{'}
	for _, m := range []struct {
		id   int
		name string
	}{{operationMember, `"operation":`}, {tableMember, `"table":`}} {
		if v := spans[m.id]; v.Found() && e.Data[v.From] == '"' {
			b = append(append(append(b, m.name...), v.Of(e.Data)...), ',')
		}
	}
	row := spans[oldMember].Of(e.Data)
	b = append(append(append(b, `"old":`...), row...), `,"new":`...)
	if !stays {
		row = []byte("null")
	}
	return append(append(b, row...), '}')
}
