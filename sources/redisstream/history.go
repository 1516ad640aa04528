package redisstream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A position belongs to the history of its stream. Redis keeps both, so a replica that lags, or a
// restored copy, has a position that fits its entries. What this process remembers does not: the
// entry that it has read last may not be there. It is looked for with each read.

// errMoved is of a position that is not as this reader has stored it last, or that does not
// belong to the stream.
var errMoved = errors.New("the position in Redis is not as this reader has stored it: it is read again")

// undone is the error of a reader whose stream went back.
type undone struct{ read, newest string }

func (u *undone) Error() string {
	return fmt.Sprintf("the history of the stream went back: the entry %s, which was read, is not there any more, and the newest is %s", u.read, u.newest)
}

// undoneLua says whether an entry that was read is not there, although older ones are, and nobody
// has deleted it: entries are trimmed from the old end. (Before Redis 7 it cannot be told.)
const undoneLua = `
local function before(a, b)
	local ams, an = string.match(a, '(%d+)-(%d+)')
	local bms, bn = string.match(b, '(%d+)-(%d+)')
	ams, an, bms, bn = tonumber(ams), tonumber(an), tonumber(bms), tonumber(bn)
	return ams < bms or ams == bms and an < bn
end
local function undone(stream, id)
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

// meaning says what the error of a script means; read is the entry that it has looked for.
func meaning(err error, read string) error {
	var said redis.Error
	if errors.As(err, &said) {
		switch what, newest, _ := strings.Cut(said.Error(), " "); what {
		case "TAKEN":
			return errTakenOver
		case "UNDONE":
			return &undone{read, newest}
		}
	}
	return err
}
