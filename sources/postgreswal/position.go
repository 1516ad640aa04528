package postgreswal

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
)

// position is the place of a change in the order of commits: the LSN of its transaction's commit record, and the number of
// the change in the transaction, from 1. A position with index 0 is between transactions, behind all that were
// committed before lsn. When everything up to the position is acked, the slot may be confirmed up to lsn. The server then still sends
// the transaction whose commit record is at lsn.
type position struct {
	lsn   uint64
	index int64
}

func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.lsn, other.lsn), cmp.Compare(p.index, other.index))
}

func (p position) String() string {
	return fmt.Sprintf("%v, change %d", pglogrepl.LSN(p.lsn), p.index)
}

// eventID returns the ID of a change. It includes the time of the commit, because after a failover another transaction can have
// the same LSN.
func eventID(at position, committed time.Time) string {
	b := strconv.AppendUint(make([]byte, 0, 40), at.lsn, 16)
	b = append(b, '-')
	b = strconv.AppendInt(b, at.index, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, committed.UnixMicro(), 36)
	return string(b)
}

// mark is what is stored when everything up to it is acked.
type mark struct {
	position
	committed int64     // time of the commit of a change, in Unix microseconds; 0: not a change
	snapshot  *snapshot // immutable
	moved     bool      // the tables have moved to an outbox, and the changes before that are all included
}
