package redisconn

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// owner says whose failure an answer of the server is.
type owner int

const (
	unknown  owner = iota
	ofServer       // it answers so to all, whatever is sent
	ofName         // it answers so to all that is sent to this key or channel
	ofEvent        // it answers so to what was sent
)

// owners says whose failure an answer is by its first word. ERR and NOPERM say more only in
// their text.
var owners = map[string]owner{
	// The server does not know us.
	"NOAUTH": ofServer, "WRONGPASS": ofServer, "DENIED": ofServer, "NOPROTO": ofServer,
	// It has no room, does not store, or only copies another.
	"OOM": ofServer, "MISCONF": ofServer, "READONLY": ofServer, "NOREPLICAS": ofServer, "IOERR": ofServer,
	// It is starting, busy, or has lost its master or its cluster.
	"LOADING": ofServer, "BUSY": ofServer, "NOTBUSY": ofServer, "UNKILLABLE": ofServer, "MASTERDOWN": ofServer,
	"NOMASTERLINK": ofServer, "CLUSTERDOWN": ofServer, "TRYAGAIN": ofServer, "MOVED": ofServer, "ASK": ofServer,
	"REDIRECT": ofServer, "UNBLOCKED": ofServer, "INPROG": ofServer, "NOGOODSLAVE": ofServer, "NOQUORUM": ofServer,
	"NOSCRIPT": ofServer, "EXECABORT": ofServer,
	// The key is of another kind, or on another server of the cluster than the one beside it.
	"WRONGTYPE": ofName, "CROSSSLOT": ofName, "NOGROUP": ofName, "BUSYGROUP": ofName, "BUSYKEY": ofName, "NOKEY": ofName,
	// A later leader has written: Fenced.
	"FENCED": ofEvent,
}

// texts says whose failure an answer is by a part of its text, in lower case.
var texts = []struct {
	part string
	owner
}{
	// Some servers say no more than ERR; proxies before servers do, too.
	{"max number of clients", ofServer}, {"unknown command", ofServer}, {"protected mode", ofServer},
	{"password", ofServer}, {"authentica", ofServer}, {" auth ", ofServer}, {"db index", ofServer}, {"select is not allowed", ofServer},
	{"cluster support disabled", ofServer}, {"upstream", ofServer}, {"backend", ofServer}, {"connection refused", ofServer},
	{"connection timed out", ofServer}, {"no such master", ofServer}, {"read only", ofServer}, {"not enough memory", ofServer},
	// A right to a command is missing; or one to a key or channel.
	{" to run ", ofServer}, {"can't run ", ofServer}, {"acl failure", ofName}, {"can't access ", ofName}, {"can't publish ", ofName},
	{"no permissions", ofName},
	// It is too large.
	{"maximum allowed size", ofEvent}, {"invalid bulk length", ofEvent}, {"invalid multibulk length", ofEvent}, {"too big", ofEvent},
	{"too large", ofEvent}, {"too many", ofEvent},
}

// ownerOf says whose failure an answer of the server is.
func ownerOf(text string) owner {
	word, rest, _ := strings.Cut(text, " ")
	if o, ok := owners[word]; ok {
		return o
	}
	if strings.HasPrefix(text, "ERR Error running script") { // before Redis 7 the answer to the script's command stands within
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

// Command says what a command was for.
type Command struct {
	// One says that the command carried one event. Its failure is then the event's where
	// nothing speaks against that, and else the server's.
	SingleEvent bool
	// Fixed says that the command's keys and channels are the same for all events. What the
	// server says of them then holds for all, too.
	FixedKeys bool
}

// Unavailable returns wrapped, an error that describes err. It is marked by [plugin.Unavailable] where the server
// has failed, and not an event: it is not reached, has no room, is read-only, or denies the
// right. Away returns nil where err is nil.
func Unavailable(err, wrapped error, of Command) error {
	if err == nil {
		return nil
	}
	var answer redis.Error
	if !errors.As(err, &answer) {
		if errors.Is(err, context.Canceled) || plugin.IsPermanent(err) {
			return wrapped
		}
		return plugin.Unavailable(wrapped)
	}
	switch o := ownerOf(answer.Error()); {
	case o == ofServer, o == ofName && of.FixedKeys, o == unknown && !of.SingleEvent:
		return plugin.Unavailable(wrapped)
	}
	return wrapped
}

// CommandError returns the error of a command of a pipeline whose Exec has returned exec. Where the
// server refuses the connection (a wrong password, too many clients), go-redis leaves the
// commands without an error and without an answer: these have failed, too.
func CommandError(c *redis.Cmd, exec error) error {
	switch {
	case c.Err() != nil || c.Val() != nil:
		return c.Err()
	case exec != nil:
		return exec
	}
	return errNoAnswer
}

var errNoAnswer = errors.New("the server has not answered")

// ReplyError is an error with which a script has answered for one of its commands.
type ReplyError string

// Error is the answer.
func (a ReplyError) Error() string { return string(a) }

// RedisError is part of [redis.Error].
func (a ReplyError) RedisError() {}
