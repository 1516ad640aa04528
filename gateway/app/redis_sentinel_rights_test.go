package app

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

// testSentinelRights runs all plugins at a master with TLS, which a Sentinel with TLS and a user of its own names.
func testSentinelRights(t *testing.T) {
	files := testenv.MakeCertificates(t, "gateway")
	port, sentinelPort := testenv.FreePort(t), testenv.FreePort(t)
	secured := func(port int) []string {
		return []string{"tls-port " + strconv.Itoa(port), "tls-cert-file " + files.ServerCert, "tls-key-file " + files.ServerKey, "tls-client-cert-file " + files.ClientCert, "tls-client-key-file " + files.ClientKey, "tls-ca-cert-file " + files.CA, "tls-auth-clients yes", "tls-replication yes"}
	}
	var args []string
	for _, line := range secured(port) {
		name, value, _ := strings.Cut(line, " ")
		args = append(args, "--"+name, value)
	}
	server, _ := testenv.StartRedis(t, args...)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	admin := redis.NewClient(options)
	defer admin.Close()
	lines := append(secured(sentinelPort), "user watcher reset on >spw "+sentinelRights(t))
	sentinel := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", testenv.StartSentinel(t, port, lines...))})
	defer sentinel.Close()
	url := fmt.Sprintf("rediss-sentinel://USER:pw@localhost:%d?master_name=orders&sentinel_username=watcher&sentinel_password=spw", sentinelPort)
	testRights(t, []*redis.Client{admin}, url, map[string]string{"CA": files.CA, "CERT": files.ClientCert, "KEY": files.ClientKey})
	if refused, err := sentinel.Do(testenv.Context(t), "ACL", "LOG").Slice(); err != nil || len(refused) > 0 {
		t.Errorf("the Sentinel has refused: %v, %v", refused, err)
	}
	testenv.Eventually(t, testenv.Wait, "no connection is left to the Sentinel", func() bool {
		clients, err := sentinel.ClientList(testenv.Context(t)).Result()
		return err == nil && !strings.Contains(clients, "name=eventgateway ")
	})
	testSentinelDenials(t, sentinel, strings.Replace(url, "USER:pw@", "", 1), map[string]string{"CA": files.CA, "CERT": files.ClientCert, "KEY": files.ClientKey})
}

// sentinelRights returns the rules for the user at the Sentinels.
func sentinelRights(t *testing.T) string {
	t.Helper()
	for _, p := range typesOf(plugins()) {
		for _, r := range p.Rights() {
			if r.For == redisconn.SentinelRightsFor {
				return r.Rules
			}
		}
	}
	t.Fatal("no plugin says what it needs at the Sentinels")
	return ""
}

// testSentinelDenials proves that check --live says what is wrong at the Sentinels, and that it is there.
func testSentinelDenials(t *testing.T, sentinel *redis.Client, url string, env map[string]string) {
	ctx := testenv.Context(t)
	env["PORT"], env["DIR"] = strconv.Itoa(testenv.FreePort(t)), t.TempDir()
	for _, c := range []struct {
		name, url, says string
		command         []any
	}{
		{"a right is missing", url, "no Sentinel names the master orders: NOPERM this user has no permissions to run the 'sentinel|get-master-addr-by-name' command", []any{"ACL", "SETUSER", "watcher", "-sentinel|get-master-addr-by-name"}},
		{"a wrong password", strings.Replace(url, "spw", "wrong", 1), "no Sentinel names the master orders: WRONGPASS", []any{"PING"}},
		{"another name", strings.Replace(url, "=orders", "=other", 1), "no Sentinel names the master other: they know no master of this name", []any{"ACL", "SETUSER", "watcher", "+sentinel|get-master-addr-by-name"}},
		{"no user", strings.Split(url, "&")[0], "no Sentinel names the master orders: NOAUTH", []any{"ACL", "SETUSER", "default", "off"}},
	} {
		if err := sentinel.Do(ctx, c.command...).Err(); err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{
			"sources": "sources:\n  heard: {type: redis-sub, url: \"${AT}\", tls: *tls, channels: [c]}\nsinks:\n  out: {type: stdout}\nroutes: {r: {from: [heard], to: [out]}}\n",
			"sinks":   "sources:\n  made: {type: generate, rate: 0, count: 1}\nsinks:\n  bus: {type: redis-pub, url: \"${AT}\", tls: *tls, channel: c}\nroutes: {r: {from: [made], to: [bus]}}\n",
		} {
			env["AT"] = c.url
			out, err := commandLine(t, env, "check", "--live", "-c", writeConfig(t, "http: {listen: \"127.0.0.1:${PORT}\"}\nx-tls: &tls {ca: \"${CA}\", cert: \"${CERT}\", key: \"${KEY}\"}\n"+text))
			if err == nil || !strings.Contains(out, c.says) || strings.Contains(out, "spw") {
				t.Errorf("%s, %s: %v\n%s", c.name, what, err, out)
			}
		}
	}
}
