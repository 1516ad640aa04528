package pgverify

import (
	"math"
	"strconv"
	"strings"
)

// versionKind is the source of a version.
type versionKind uint8

const (
	noVersion     versionKind = iota
	outboxVersion             // of postgres-outbox: 17-abcdefghijk
	walVersion                // of postgres-wal: 1a2b3c-2-abcdefghijk
	streamVersion             // of redis-stream: orders:1700000000000-0
)

// version orders the events of a row. It is parsed from the ID of an event.
type version struct {
	time   int64  // in microseconds
	number uint64 // the ID of an outbox, an LSN, or of an entry of a stream in its millisecond
	index  uint32 // of a change in its transaction
	kind   versionKind
}

// parseVersion returns the version that is in the ID of an event, one of the kind noVersion if there is none.
func parseVersion(id string) version {
	id, _, _ = strings.Cut(id, "/") // the transform split appends numbers
	if i := strings.LastIndexByte(id, ':'); i >= 0 {
		left, right, _ := strings.Cut(id[i+1:], "-")
		at, err := strconv.ParseInt(left, 10, 64)
		n, err2 := strconv.ParseUint(right, 10, 64)
		if err != nil || err2 != nil || len(left) != 13 {
			return version{}
		}
		return version{time: at * 1000, number: n, kind: streamVersion}
	}
	switch parts := strings.Split(id, "-"); len(parts) {
	case 2:
		n, err := strconv.ParseUint(parts[0], 10, 63)
		at, ok := parseMicros(parts[1])
		if err == nil && ok {
			return version{time: at, number: n, kind: outboxVersion}
		}
	case 3:
		lsn, err := strconv.ParseUint(parts[0], 16, 64)
		index, err2 := strconv.ParseUint(parts[1], 10, 63)
		at, ok := parseMicros(parts[2])
		if err == nil && err2 == nil && ok {
			return version{time: at, number: lsn, index: uint32(min(index, math.MaxUint32)), kind: walVersion}
		}
	}
	return version{}
}

// parseMicros reads a time in microseconds, in base 36, of the years 1973 to 5138.
func parseMicros(text string) (at int64, ok bool) {
	at, err := strconv.ParseInt(text, 36, 64)
	return at, err == nil && at >= 1e14 && at < 1e17
}

// follows reports whether the event with the version v counts after one of the same row with the version before. It reports
// true unless the IDs prove that v is older, or the same.
//
// Of two events of one source, v is older if neither its number nor its time is higher. The number alone would not do, because it
// falls after a restore or where a sequence was reset; the time alone would not, because clocks are set back. An outbox and the log
// have different numbers, so between them the times decide: that of the write, and that of the commit.
func (v version) follows(before version) bool {
	switch {
	case v.kind == noVersion || before.kind == noVersion:
		return true
	case v.kind == streamVersion || before.kind == streamVersion:
		return v.kind != before.kind || v.time > before.time || v.time == before.time && v.number > before.number
	case v.kind != before.kind:
		return v.time > before.time
	}
	return v.time > before.time || v.number > before.number || v.number == before.number && v.index > before.index
}
