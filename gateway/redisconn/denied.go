package redisconn

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// denials are parts of the answers to a user who lacks a right. The last four are those of a
// script before Redis 7.2, which name no command.
var denials = []string{"NOPERM", "ACL failure in script", "can't run this command", "can't access at least one of the keys", "can't publish to the channel", "can't access at least one of the channels"}

func isDenial(text string) bool {
	for _, part := range denials {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// denial is the answer to a user who lacks a right, with the command that was sent.
type denial struct {
	answer  redis.Error
	command string
}

// Error says which command it was, where the server does not.
func (d denial) Error() string {
	text := d.answer.Error()
	if !strings.Contains(text, "run the '") {
		text += " (" + d.command + ")"
	}
	return text + "; gateway plugins NAME --acl prints the rights that are needed"
}

// RedisError is part of [redis.Error].
func (denial) RedisError() {}

// naming has denials name the command.
type denialHook struct{}

// DialHook is part of [redis.Hook].
func (denialHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook is part of [redis.Hook].
func (denialHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return nameDenial(cmd, next(ctx, cmd)) }
}

// ProcessPipelineHook is part of [redis.Hook]. A transaction of which a command was denied says
// which one.
func (denialHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if err == nil {
			return nil
		}
		var first error
		for _, cmd := range cmds {
			if of := nameDenial(cmd, cmd.Err()); first == nil && isNamed(of) {
				first = of
			}
		}
		if first == nil {
			return err
		}
		for _, cmd := range cmds {
			if redis.HasErrorPrefix(cmd.Err(), "EXECABORT") {
				cmd.SetErr(first)
			}
		}
		return first
	}
}

func isNamed(err error) bool { _, ok := err.(denial); return ok }

// named returns the error of a command, which is one with its name where it is a denial.
func nameDenial(cmd redis.Cmder, err error) error {
	answer, ok := err.(redis.Error)
	if !ok || isNamed(err) || !isDenial(err.Error()) {
		return err
	}
	d := denial{answer, commandOf(cmd)}
	cmd.SetErr(d)
	return d
}

// commandOf returns the name of a command and its first key, or those of a script.
func commandOf(cmd redis.Cmder) string {
	args := cmd.Args()
	first, most := 1, 2
	if name := strings.ToLower(cmd.Name()); strings.HasPrefix(name, "eval") && len(args) > 3 {
		first, most = 3, 4
	}
	text := strings.ToUpper(cmd.Name())
	for i := first; i < min(most, len(args)); i++ {
		text += fmt.Sprintf(" %.100v", args[i])
	}
	return text
}
