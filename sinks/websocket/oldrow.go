package websocket

import (
	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

// changeTree finds the members of a change of a row in its payload.
var changeTree, oldMember, newMember, operationMember, tableMember = func() (t rawjson.Tree, before, after, operation, table int) {
	before, after = t.Member(0, "old"), t.Member(0, "new")
	operation, table = t.Member(0, "operation"), t.Member(0, "table")
	return t, before, after, operation, table
}()

// changeSpans holds the spans of the members of changeTree.
type changeSpans [5]rawjson.Span

// withOldRow returns the event with its old row in the place of the new one. It returns nil if the
// payload has no old row.
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

// oldRowOnly returns an event with the channel and the old row only. A filter of a client whose
// rights do not show the new row is evaluated for it: the key and other fields of the event could
// reveal the new row.
func oldRowOnly(e *event.Event) *event.Event {
	return &event.Event{Channel: e.Channel, Data: oldRowPayload(e, true)}
}

// oldRowPayload returns a payload with operation, table and old row. The new row is null, or with
// newIsOld the old row.
func oldRowPayload(e *event.Event, newIsOld bool) []byte {
	var spans changeSpans
	if changeTree.Find(e.Data, spans[:]) != nil {
		return nil // cannot happen: withOldRow has found it
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
	if !newIsOld {
		row = []byte("null")
	}
	return append(append(b, row...), '}')
}
