package redisconn

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// owner tells whose failure an error reply of the server is.
type owner int

const (
	unknown  owner = iota
	ofServer       // every command fails
	ofName         // every command for this key or channel fails
	ofEvent        // this command fails, for what it carries
)

// owners has the owner by the first word of a reply. ERR and NOPERM are decided by their text.
var owners = map[string]owner{
	// Authentication has failed.
	"NOAUTH": ofServer, "WRONGPASS": ofServer, "DENIED": ofServer, "NOPROTO": ofServer,
	// The server is full, cannot store, or is a replica.
	"OOM": ofServer, "MISCONF": ofServer, "READONLY": ofServer, "NOREPLICAS": ofServer, "IOERR": ofServer,
	// The server is starting, busy, or has lost its master or its cluster.
	"LOADING": ofServer, "BUSY": ofServer, "NOTBUSY": ofServer, "UNKILLABLE": ofServer, "MASTERDOWN": ofServer,
	"NOMASTERLINK": ofServer, "CLUSTERDOWN": ofServer, "TRYAGAIN": ofServer, "MOVED": ofServer, "ASK": ofServer,
	"REDIRECT": ofServer, "UNBLOCKED": ofServer, "INPROG": ofServer, "NOGOODSLAVE": ofServer, "NOQUORUM": ofServer,
	"NOSCRIPT": ofServer, "EXECABORT": ofServer,
	// The key is of another type, or in another slot than the command's other keys.
	"WRONGTYPE": ofName, "CROSSSLOT": ofName, "NOGROUP": ofName, "BUSYGROUP": ofName, "BUSYKEY": ofName, "NOKEY": ofName,
	// A later leader has written: Fenced.
	"FENCED": ofEvent,
}

// texts has the owner by a part of a reply, in lower case.
var texts = []struct {
	part string
	owner
}{
	// Some servers, and proxies, reply with ERR and a text.
	{"max number of clients", ofServer}, {"unknown command", ofServer}, {"protected mode", ofServer},
	{"password", ofServer}, {"authentica", ofServer}, {" auth ", ofServer}, {"db index", ofServer}, {"select is not allowed", ofServer},
	{"cluster support disabled", ofServer}, {"upstream", ofServer}, {"backend", ofServer}, {"connection refused", ofServer},
	{"connection timed out", ofServer}, {"no such master", ofServer}, {"read only", ofServer}, {"not enough memory", ofServer},
	// A right to a command is missing; or one to a key or channel.
	{" to run ", ofServer}, {"can't run ", ofServer}, {"acl failure", ofName}, {"can't access ", ofName}, {"can't publish ", ofName},
	{"no permissions", ofName},
	// The value is too large.
	{"maximum allowed size", ofEvent}, {"invalid bulk length", ofEvent}, {"invalid multibulk length", ofEvent}, {"too big", ofEvent},
	{"too large", ofEvent}, {"too many", ofEvent},
}

// ownerOf returns the owner of an error reply.
func ownerOf(text string) owner {
	word, rest, _ := strings.Cut(text, " ")
	if o, ok := owners[word]; ok {
		return o
	}
	if strings.HasPrefix(text, "ERR Error running script") { // before Redis 7 it contains the reply to the script's command
		for _, word := range strings.Fields(rest) {
			if o, ok := owners[strings.TrimPrefix(word, "-")]; ok {
				return o
			}
		}
	}
	low := strings.ToLower(text)
	for _, t := range texts {
		if strings.Contains(low, t.part) {
			return t.owner
		}
	}
	return unknown
}

// Command describes a command, as far as that decides the owner of its failure.
type Command struct {
	// SingleEvent reports whether the command carried one event. An unknown error is then the
	// event's failure, else the server's.
	SingleEvent bool
	// FixedKeys reports whether the command's keys and channels are the same for all events. A
	// failure of a key or channel is then the server's.
	FixedKeys bool
}

// Unavailable returns wrapped, an error that describes err. It is marked by [plugin.Unavailable]
// where the server has failed, and not an event: it cannot be reached, is full, is read-only, or
// denies the right. Unavailable returns nil if err is nil.
func Unavailable(err, wrapped error, command Command) error {
	if err == nil {
		return nil
	}
	text, ok := replyText(err)
	if !ok {
		if errors.Is(err, context.Canceled) || plugin.IsPermanent(err) {
			return wrapped
		}
		return plugin.Unavailable(wrapped)
	}
	switch o := ownerOf(text); {
	case o == ofServer, o == ofName && command.FixedKeys, o == unknown && !command.SingleEvent:
		return plugin.Unavailable(wrapped)
	}
	return wrapped
}

// CommandError returns the error of a command of a pipeline whose Exec has returned execErr. Where
// the server refuses the connection (a wrong password, too many clients), go-redis leaves the
// commands without an error and without a reply: these have failed, too.
func CommandError(c *redis.Cmd, execErr error) error {
	switch {
	case c.Err() != nil || c.Val() != nil:
		return c.Err()
	case execErr != nil:
		return execErr
	}
	return errNoReply
}

var errNoReply = errors.New("the server has not answered")

// ReplyError is an error reply to a command of a script, which the script has returned as a value.
type ReplyError string

// Error returns the reply.
func (r ReplyError) Error() string { return string(r) }

// RedisError is part of [redis.Error].
func (ReplyError) RedisError() {}
