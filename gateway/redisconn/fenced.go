package redisconn

import (
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// Fenced returns wrapped, marked by [plugin.Fenced] where answer is that of a script which has
// refused an earlier leader: FENCED by the leader of term N.
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
