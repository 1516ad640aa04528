package redisconn

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestRoleWatch proves what each state of a server means to a reader, also to a user without the right to ask.
func TestRoleWatch(t *testing.T) {
	server, port := testenv.StartRedis(t)
	master, masterPort := testenv.StartRedis(t, "--repl-diskless-sync-delay", "0")
	admin, ctx := clientAt(t, server.URL()), testenv.Context(t)
	var log testenv.Log
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for name, rules := range map[string]string{"may": "+role", "maynot": "-role"} {
		if err := admin.Do(ctx, "ACL", "SETUSER", name, "on", ">pw", "+ping", rules).Err(); err != nil {
			t.Fatal(err)
		}
	}
	config, err := Parse(options.NewURL(server.URL()))
	if err != nil {
		t.Fatal(err)
	}
	as := func(name string, writes bool) *RoleWatch {
		w := config.NewRoleWatch(clientAt(t, fmt.Sprintf("redis://%s:pw@127.0.0.1:%d", name, port)), writes, logger)
		if err := w.Begin(ctx); err != nil {
			t.Fatal(err)
		}
		return w
	}
	reader, writer, denied := as("may", false), as("may", true), as("maynot", false)
	check := func(w *RoleWatch, gap, lost string) {
		t.Helper()
		is, err := w.Check(ctx)
		if (gap == "") != (is == "") || !strings.Contains(is, gap) || (err == nil) != (lost == "") || err != nil && (!strings.Contains(err.Error(), lost) || !plugin.IsUnavailable(err)) {
			t.Errorf("gap %q, error %v; want %q and %q", is, err, gap, lost)
		}
	}
	follow := func(host string, port any) {
		t.Helper()
		if err := admin.ReplicaOf(ctx, host, fmt.Sprint(port)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	check(reader, "", "")
	follow("127.0.0.1", testenv.FreePort(t))
	check(reader, "", "") // it may connect again at once
	check(reader, "", "lost its master")
	check(writer, "", "")
	check(writer, "", "is a replica, and not the master")
	check(denied, "another master", "") // HELLO says so to everybody
	check(denied, "", "")
	if n := strings.Count(log.String(), "replica check denied"); n != 1 || !strings.Contains(log.String(), "ROLE") && !strings.Contains(log.String(), "'role'") {
		t.Errorf("%d warnings: %s", n, log.String())
	}
	if err := reader.Begin(ctx); err == nil {
		t.Error("it begins at a replica without a master")
	}
	follow("127.0.0.1", masterPort)
	testenv.Eventually(t, testenv.Wait, "the replica to follow", func() bool {
		return parseInfo(admin.Info(ctx, "replication").Val())["master_link_status"] == "up"
	})
	if err := reader.Begin(ctx); err != nil {
		t.Error(err)
	}
	check(reader, "", "")
	master.Kill()
	testenv.Eventually(t, testenv.Wait, "the replica to notice", func() bool {
		return parseInfo(admin.Info(ctx, "replication").Val())["master_link_status"] == "down"
	})
	check(reader, "", "")
	follow("NO", "ONE")
	check(reader, "another master", "")
	check(reader, "", "")
	server.Kill()
	check(reader, "", "") // a lost connection is found elsewhere
}

// TestParseRole of the replies that there are.
func TestParseRole(t *testing.T) {
	for _, c := range []struct {
		reply []any
		want  role
	}{
		{[]any{"master", int64(7), []any{}}, role{name: "master"}},
		{[]any{"slave", "10.0.0.1", int64(6379), "sync", int64(-1)}, role{"replica", "10.0.0.1:6379", "sync"}},
		{[]any{"slave"}, role{"replica", ":", ""}},
		{nil, role{}},
	} {
		if got := parseRole(c.reply); got != c.want {
			t.Errorf("%v: %+v", c.reply, got)
		}
	}
}

// TestSentinels proves that a Sentinel that is gone is asked last, and that an error names what is wrong.
func TestSentinels(t *testing.T) {
	url, _, _ := testenv.Sentinel(t)
	parse := func(url string) *sentinels {
		c, err := Parse(options.NewURL(url))
		if err != nil {
			t.Fatal(err)
		}
		s := c.newSentinels()
		t.Cleanup(s.close)
		return s
	}
	at := strings.TrimPrefix(strings.Split(url, "?")[0], "redis-sentinel://")
	s := parse(fmt.Sprintf("redis-sentinel://127.0.0.1:1?master_name=orders&addr=%s", at))
	gone := s.clients[0]
	for range 2 {
		addr, err := s.master(testenv.Context(t))
		if err != nil || !strings.HasPrefix(addr, "127.0.0.1:") || s.clients[1] != gone {
			t.Errorf("%s, %v", addr, err)
		}
	}
	for _, bad := range []struct{ url, says string }{
		{"redis-sentinel://127.0.0.1:1?master_name=orders", "no Sentinel names the master orders: dial tcp 127.0.0.1:1: connect: connection refused: see that the Sentinels run"},
		{"redis-sentinel://" + at + "?master_name=other", "no Sentinel names the master other: they know no master of this name: write its name as in sentinel.conf"},
	} {
		_, err := parse(bad.url).master(testenv.Context(t))
		c, _ := Parse(options.NewURL(bad.url))
		client := c.NewClient()
		defer client.Close()
		for _, err := range []error{err, client.Ping(context.Background()).Err()} { // and as go-redis has it
			if err == nil || !strings.HasPrefix(err.Error(), bad.says) || !plugin.IsUnavailable(Unavailable(err, err, Command{SingleEvent: true})) {
				t.Errorf("%v, want %s", err, bad.says)
			}
		}
	}
}
