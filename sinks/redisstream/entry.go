package redisstream

import (
	"eventgateway/gateway/event"
	"eventgateway/gateway/redisconn"
)

// appendEntry appends the number of an entry's arguments, and its fields.
func appendEntry(args []any, e *event.Event) []any {
	at := len(args)
	args = append(args, 0, redisconn.EntryMark, redisconn.EntryMarkVersion, "data", e.Data)
	if e.ID != "" {
		args = append(args, "id", e.ID)
	}
	if e.Key != "" {
		args = append(args, "key", e.Key)
	}
	if !e.Origin.IsZero() {
		args = append(args, redisconn.EntryOrigin, e.Origin.UnixMicro())
	}
	for _, a := range e.Attrs {
		args = append(args, "attr."+a.Name, a.Value)
	}
	args[at] = len(args) - at - 1
	return args
}
