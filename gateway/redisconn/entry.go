package redisconn

const (
	// EntryMark and EntryMarkVersion are the first field, with its value, of each entry of the sink redis-stream. The source
	// redis-stream recognises the sink's entries by them.
	EntryMark        = "eventgateway"
	EntryMarkVersion = "1"
	// EntryOrigin is the field with the origin time of the event, in Unix microseconds; it is missing if the event has none.
	EntryOrigin = "origin"
)
