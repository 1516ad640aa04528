package redisconn

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// denials are parts of the replies to a user who lacks a right. The last four come from scripts
// before Redis 7.2, and name no command.
var denials = []string{"NOPERM", "ACL failure in script", "can't run this command", "can't access at least one of the keys", "can't publish to the channel", "can't access at least one of the channels"}

func isDenial(text string) bool {
	for _, part := range denials {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// denial is the reply to a user who lacks a right, with the command that was sent.
type denial struct {
	reply   redis.Error
	command string
}

// Error returns the reply, with the command where the reply does not name it.
func (d denial) Error() string {
	text := d.reply.Error()
	if !strings.Contains(text, "run the '") {
		text += " (" + d.command + ")"
	}
	return text + "; gateway plugins NAME --acl prints the rights that are needed"
}

// IsReply reports whether an error is a reply of the server, and not a failure to reach it.
func IsReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// replyText returns the text of the server's reply in err, without what a [denial] adds. ok is false if err has none.
func replyText(err error) (text string, ok bool) {
	var d denial
	if errors.As(err, &d) {
		return d.reply.Error(), true
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return "", false
	}
	return reply.Error(), true
}

// RedisError is part of [redis.Error].
func (denial) RedisError() {}

// denialHook adds the command to the error of a denied command.
type denialHook struct{}

// DialHook is part of [redis.Hook].
func (denialHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook is part of [redis.Hook].
func (denialHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return nameDenial(cmd, next(ctx, cmd)) }
}

// ProcessPipelineHook is part of [redis.Hook]. The error of a transaction is that of the first
// command that was denied.
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

// isNamed reports whether an error names the denied command already.
func isNamed(err error) bool { _, ok := err.(denial); return ok }

// nameDenial returns the error of a command, with the command's name where it was denied.
func nameDenial(cmd redis.Cmder, err error) error {
	reply, ok := err.(redis.Error)
	if !ok || isNamed(err) || !isDenial(err.Error()) {
		return err
	}
	d := denial{reply, commandOf(cmd)}
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
