package redisconn

// EntryMark and EntryMarkVersion are the first field, with its value, of each entry of the sink redis-stream. The source
// redis-stream recognizes the sink's entries by it.
const (
	EntryMark        = "eventgateway"
	EntryMarkVersion = "1"
)
