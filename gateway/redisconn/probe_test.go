package redisconn

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// clientAt returns a client of a URL, as plugins use it.
func clientAt(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	c, err := Parse(options.NewURL(url))
	if err != nil {
		t.Fatal(err)
	}
	client := c.NewClient()
	t.Cleanup(func() { client.Close() })
	return client
}

// expect compares findings with prefixes of "level text -> fix".
func expect(t *testing.T, what string, findings []plugin.Finding, want ...string) {
	t.Helper()
	var got []string
	for _, f := range findings {
		got = append(got, fmt.Sprintf("%s %s -> %s", f.Level, f.Text, f.Fix))
	}
	if len(got) != len(want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s:\ngot  %q\nwant %q", what, got[i], want[i])
		}
	}
}

// TestRightsThatCannotBeRead proves that a user without the right to read rights gets warnings, and
// not the finding that everything is allowed.
func TestRightsThatCannotBeRead(t *testing.T) {
	server, port := testenv.StartRedis(t)
	admin, ctx := clientAt(t, server.URL()), testenv.Context(t)
	set := func(args ...any) {
		t.Helper()
		if err := admin.Do(ctx, append([]any{"ACL", "SETUSER", "limited", "on", ">pw"}, args...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	commands := [][]string{{"PUBLISH", "orders", "x"}, {"GET", "k"}, {"PUBLISH", "other", "x"}}
	set("resetchannels", "&orders", "~k", "+publish", "+get")
	denied, _ := Probe(ctx, clientAt(t, fmt.Sprintf("redis://limited:pw@127.0.0.1:%d", port)), options.NewURL("redis://limited:pw@h"))
	if denied.Level != plugin.Problem || !strings.HasPrefix(denied.Fix, "ACL SETUSER USER +ping") {
		t.Errorf("%+v", denied)
	}
	set("+ping")
	limited := clientAt(t, fmt.Sprintf("redis://limited:pw@127.0.0.1:%d", port))
	expect(t, "without +acl", ProbeRights(ctx, limited, commands),
		"warning cannot tell whether the user may PUBLISH, GET: NOPERM this user has no permissions to run the 'acl|whoami' command; gateway plugins NAME --acl prints the rights that are needed -> ACL SETUSER USER +acl|whoami +acl|dryrun")
	expect(t, "state without +info and +eval", ProbeWritable(ctx, limited, "k"), "ok the server is a master",
		"warning cannot tell whether the server is full, or takes no writes for another reason: NOPERM")
	expect(t, "durability without +config", ProbeDurability(ctx, limited), "warning cannot tell what a crash of the server costs: NOPERM")
	set("+acl|whoami")
	expect(t, "without +acl|dryrun", ProbeRights(ctx, limited, commands), "warning cannot tell whether the user may PUBLISH, GET: NOPERM")
	set("+acl|dryrun", "+info")
	expect(t, "with both", ProbeRights(ctx, limited, commands), "ok the user limited may PUBLISH orders", "ok the user limited may GET k", "WRONG the user limited may not PUBLISH other")
	expect(t, "an example", ProbeRightsByExample(ctx, limited, "the channels X", commands[2:]), "warning cannot tell for the channels X; of an example: the user limited may not PUBLISH other")
	expect(t, "with +info", ProbeWritable(ctx, limited, "k"), "ok the server is a master", "ok the server is a master, and not full")
}

// TestServersThatTakeNoWrites proves what is found for a replica, a full server, and one with too
// few replicas.
func TestServersThatTakeNoWrites(t *testing.T) {
	server, port := testenv.StartRedis(t)
	other, _ := testenv.StartRedis(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", port))
	master, replica, ctx := clientAt(t, server.URL()), clientAt(t, other.URL()), testenv.Context(t)
	config := func(name, value string) {
		t.Helper()
		if err := master.ConfigSet(ctx, name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "a master", ProbeWritable(ctx, master, "k"), "ok the server is a master", "ok the server takes writes")
	expect(t, "a replica", ProbeWritable(ctx, replica, "k"), "WRONG the server is a replica: what is written or published there is refused, or does not reach its master -> name the master in url")
	expect(t, "publishing at a replica", []plugin.Finding{ProbeMaster(ctx, replica, "channel")}, "WRONG the server is a replica")
	for parseInfo(replica.Info(ctx, "replication").Val())["master_link_status"] != "up" { // it connects
		if ctx.Err() != nil {
			t.Fatal("the replica does not follow")
		}
	}
	expect(t, "reading at a replica", []plugin.Finding{ProbeReadable(ctx, replica), ProbeReadable(ctx, master)}, "warning the server is a replica: events come later", "ok the server is a master")

	used := parseInfo(master.Info(ctx, "memory").Val())["used_memory"]
	config("maxmemory", used[:len(used)-1]) // a tenth
	expect(t, "full", ProbeWritable(ctx, master, "k"), "ok the server is a master", "WRONG the server takes no writes: OOM command not allowed when used memory > 'maxmemory'. -> CONFIG SET maxmemory to more")
	if err := master.Do(ctx, "ACL", "SETUSER", "noeval", "on", ">pw", "+@all", "-eval", "~*", "&*").Err(); err != nil {
		t.Fatal(err)
	}
	noeval := clientAt(t, fmt.Sprintf("redis://noeval:pw@127.0.0.1:%d", port))
	expect(t, "full, by INFO", ProbeWritable(ctx, noeval, "k"), "ok the server is a master", "WRONG the server takes no writes: it has used all of maxmemory")
	config("maxmemory", fmt.Sprint(1<<30))
	if err := master.Set(ctx, "much", strings.Repeat("x", 20<<20), 0).Err(); err != nil {
		t.Fatal(err)
	}
	part, known := fullness(parseInfo(master.Info(ctx).Val())) // of 1 GiB, without what replicas are sent
	if !known {
		t.Fatal("INFO does not show how full it is")
	}
	config("maxmemory", strconv.Itoa(int(part*1.05*(1<<30))))
	expect(t, "nearly full", ProbeWritable(ctx, master, "k"), "ok the server is a master", "warning the server has used 9")
	config("maxmemory", "0")
	config("min-replicas-to-write", "3")
	expect(t, "too few replicas", ProbeWritable(ctx, master, "k"), "ok the server is a master", "WRONG the server takes no writes: NOREPLICAS")
	config("min-replicas-to-write", "0")
	server.Kill()
	for parseInfo(replica.Info(ctx, "replication").Val())["master_link_status"] == "up" {
		if ctx.Err() != nil {
			t.Fatal("the replica does not notice")
		}
	}
	expect(t, "a replica that is alone", []plugin.Finding{ProbeReadable(ctx, replica)}, "WRONG the server is a replica that has lost its master")
}
