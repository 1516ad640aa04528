package redisconn

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// fence refuses an earlier leader, and stores the term of a later one for a day.
const fence = `
if ARGV[1] ~= '' then
	local known = redis.call('GET', KEYS[%[1]d])
	if known and tonumber(known) > tonumber(ARGV[1]) then
		return redis.error_reply('FENCED by the leader of term ' .. known)
	end
	redis.call('SET', KEYS[%[1]d], ARGV[1], 'EX', 86400)
end
`

// FencedScript returns a script that first refuses a leader whose term is over. Its ARGV[1] is the
// leader's term, or "" without a leader. Its key number termKey, counted from 1, holds the highest
// term. [Fenced] recognizes the refusal.
func FencedScript(termKey int, script string) *redis.Script {
	return redis.NewScript(fmt.Sprintf(fence, termKey) + script)
}

// Fenced returns wrapped, an error that describes err. It is marked by [plugin.Fenced] where err is
// the reply of a [FencedScript] that has refused an earlier leader.
func Fenced(err, wrapped error) error {
	if err == nil || !redis.HasErrorPrefix(err, "FENCED") {
		return wrapped
	}
	_, text, _ := strings.Cut(err.Error(), "term ")
	digits, _, _ := strings.Cut(text, " ") // some servers append the position in the script
	term, err := strconv.ParseInt(digits, 10, 64)
	if err != nil { // another text, but the events are refused all the same
		return plugin.Permanent(wrapped)
	}
	return plugin.Fenced(wrapped, term)
}
