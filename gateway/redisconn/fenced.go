package redisconn

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// fence refuses an earlier leader, and notes the term of a later one.
const fence = `
if ARGV[1] ~= '' then
	local known = redis.call('GET', KEYS[%[1]d])
	if known and tonumber(known) > tonumber(ARGV[1]) then
		return redis.error_reply('FENCED by the leader of term ' .. known)
	end
	redis.call('SET', KEYS[%[1]d], ARGV[1], 'EX', 86400)
end
`

// FencedScript returns a script that first refuses a leader whose term is over: its ARGV[1] is the
// leader's term, or "" where there is none, and its key number termKey, counted from 1, holds the
// highest term. [Fenced] knows the refusal.
func FencedScript(termKey int, script string) *redis.Script {
	return redis.NewScript(fmt.Sprintf(fence, termKey) + script)
}

// Fenced returns wrapped, marked by [plugin.Fenced] where answer is that of a [FencedScript] which
// has refused an earlier leader.
func Fenced(answer, wrapped error) error {
	if answer == nil || !redis.HasErrorPrefix(answer, "FENCED") {
		return wrapped
	}
	_, text, _ := strings.Cut(answer.Error(), "term ")
	digits, _, _ := strings.Cut(text, " ") // some servers append where the script is
	known, err := strconv.ParseInt(digits, 10, 64)
	if err != nil { // the script's text is another one: the events are refused all the same
		return plugin.Permanent(wrapped)
	}
	return plugin.Fenced(wrapped, known)
}
