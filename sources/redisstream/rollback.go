package redisstream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A position belongs to the history of its stream. Redis stores both, so they fit together in a
// lagging replica that becomes the master, and in a restored copy. The entry that this process has
// read last may be missing there. Each read checks that it is there.

// errPositionChanged is returned where the position in Redis is not the one stored last, or does
// not belong to the stream.
var errPositionChanged = errors.New("the position in Redis is not the one that this reader has stored: it is loaded again")

// rolledBack is the error of a reader whose stream lost entries that were read.
type rolledBack struct{ read, newest string }

func (u *rolledBack) Error() string {
	return fmt.Sprintf("the stream was rolled back: the entry %s, which was read, does not exist any more, and the newest is %s", u.read, u.newest)
}

// rollbackLua has a function that returns the newest ID where an entry that was read is missing,
// although older ones exist, and it was not deleted. Entries are trimmed from the old end. (Before
// Redis 7 deletions cannot be recognized.)
const rollbackLua = `
local function before(a, b)
	local ams, an = string.match(a, '(%d+)-(%d+)')
	local bms, bn = string.match(b, '(%d+)-(%d+)')
	ams, an, bms, bn = tonumber(ams), tonumber(an), tonumber(bms), tonumber(bn)
	return ams < bms or ams == bms and an < bn
end
local function rolled_back(stream, id)
	if id == '' or redis.call('EXISTS', stream) == 0 or #redis.call('XRANGE', stream, id, id) > 0 then return false end
	local info, oldest, deleted, newest = redis.call('XINFO', 'STREAM', stream), false, false, ''
	for i = 1, #info, 2 do
		if info[i] == 'first-entry' and info[i + 1] then oldest = info[i + 1][1] end
		if info[i] == 'max-deleted-entry-id' then deleted = info[i + 1] end
		if info[i] == 'last-generated-id' then newest = info[i + 1] end
	end
	return oldest and deleted and before(oldest, id) and before(deleted, id) and newest
end
`

// scriptError returns the error that an error reply of a script stands for; read is the entry that
// the script has checked.
func scriptError(err error, read string) error {
	var reply redis.Error
	if errors.As(err, &reply) {
		switch what, newest, _ := strings.Cut(reply.Error(), " "); what {
		case "TAKEN":
			return errTakenOver
		case "ROLLEDBACK":
			return &rolledBack{read, newest}
		}
	}
	return err
}
