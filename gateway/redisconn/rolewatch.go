package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// A RoleWatch checks whether a server gets new data: as a master, or as a replica that follows its master. A replica whose
// master is gone answers every read, and gets nothing new. It is for one goroutine.
type RoleWatch struct {
	// Client connects to the server.
	Client redis.UniversalClient
	// MasterOnly makes every replica a lost server: a master is needed for writes, or the Sentinels know one.
	MasterOnly bool
	// Log gets a warning if the user lacks the right to ask.
	Log *slog.Logger

	known     role      // of the latest check that found nothing wrong
	lost      int       // checks in a row that found the server lost
	lostSince time.Time // the first of them
	denied    bool      // it was denied to ask, and has logged that
}

// NewRoleWatch returns a watch of the server of client. writes reports whether the source stores something there.
func (c *Config) NewRoleWatch(client redis.UniversalClient, writes bool, log *slog.Logger) *RoleWatch {
	return &RoleWatch{Client: client, MasterOnly: writes || c.options.MasterName != "", Log: log}
}

// role is the role of a server in replication.
type role struct {
	name   string // "master", "replica", or "" where the server does not tell
	master string // address of the master of a replica
	link   string // state of the link to it: "connected" where it follows
}

const (
	// lostAfter is the number of consecutive failed checks after which a server in use counts as lost. After one, a replica
	// may have reconnected to its master, and then has received what was published meanwhile.
	lostAfter = 2
	// syncTimeout is how long a replica may copy the data of its master before it counts as lost.
	syncTimeout = 30 * time.Second
)

// Begin checks the server before it is used. Its error is marked by [plugin.Unavailable] if the server gets nothing new.
func (w *RoleWatch) Begin(ctx context.Context) error {
	w.lost, w.known = 0, role{}
	now, ok := w.ask(ctx)
	if !ok {
		return nil
	}
	w.known = now
	return w.problem(now)
}

// Check checks the server in use. gap is why events may be missing since the latest check, or "". err is marked by
// [plugin.Unavailable] if the server gets nothing new. Where the server cannot be asked, Check reports neither: a lost
// connection shows elsewhere.
func (w *RoleWatch) Check(ctx context.Context) (gap string, err error) {
	now, ok := w.ask(ctx)
	if !ok {
		return "", nil
	}
	if err := w.problem(now); err != nil {
		if w.lost++; w.lost == 1 {
			w.lostSince = time.Now()
		}
		copying := now.link == "handshake" || now.link == "sync"
		if w.lost < lostAfter || copying && !w.MasterOnly && time.Since(w.lostSince) < syncTimeout {
			return "", nil
		}
		return "", err
	}
	before := w.known
	w.known = now
	switch {
	case before.name != "" && (before.name != now.name || before.master != now.master):
		gap = "the server has another master, or has become one: messages published meanwhile may be lost"
	case w.lost > 0:
		gap = "the server had lost its master: messages published meanwhile may be lost"
	}
	w.lost = 0
	return gap, nil
}

// problem returns why a server with this role gets nothing new, or nil.
func (w *RoleWatch) problem(now role) error {
	switch {
	case now.name != "replica":
		return nil
	case w.MasterOnly:
		return plugin.Unavailable(errors.New("the server is a replica, and not the master: name the master in url, or the Sentinels that know it"))
	case now.link != "" && now.link != "connected":
		return plugin.Unavailable(fmt.Errorf("the server is a replica that has lost its master %s (link: %s), so nothing new comes: see that the master runs, or name another server in url", now.master, now.link))
	}
	return nil
}

// ask asks the server for its role. HELLO needs no right; ROLE is for replicas only. ok is false where it does not answer.
func (w *RoleWatch) ask(ctx context.Context) (now role, ok bool) {
	if _, cluster := w.Client.(*redis.ClusterClient); cluster { // its client follows the masters
		return role{}, false
	}
	hello := w.Client.Do(ctx, "HELLO")
	if now.name = roleIn(hello); now.name == "master" {
		return now, true
	}
	if !IsReply(hello.Err()) && hello.Err() != nil {
		return role{}, false
	}
	reply, err := w.Client.Do(ctx, "ROLE").Slice()
	if err != nil {
		if now.name == "replica" && IsReply(err) {
			if !w.denied {
				w.Log.Warn("replica check denied", "error", err)
			}
			w.denied = true
			return now, true
		}
		return role{}, false
	}
	return parseRole(reply), true
}

// parseRole returns what a reply to ROLE says.
func parseRole(reply []any) (r role) {
	text := func(i int) string {
		if i >= len(reply) {
			return ""
		}
		return fmt.Sprint(reply[i])
	}
	if r.name = strings.Replace(text(0), "slave", "replica", 1); r.name == "replica" {
		r.master, r.link = text(1)+":"+text(2), text(3)
	}
	return r
}
