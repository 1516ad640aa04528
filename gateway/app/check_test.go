package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// commandLine runs a command in this process.
func commandLine(t *testing.T, env map[string]string, args ...string) (output string, err error) {
	t.Helper()
	return commandLineUntil(testenv.Context(t), t, env, args...)
}

// commandLineUntil is commandLine for a command that may take long, such as a build.
func commandLineUntil(ctx context.Context, t *testing.T, env map[string]string, args ...string) (output string, err error) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	t.Chdir(t.TempDir()) // without an .env
	var out bytes.Buffer
	cmd, broken := command(plugins())
	if broken != nil {
		t.Fatal(broken)
	}
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err = cmd.ExecuteContext(ctx)
	return out.String(), err
}

const liveConfig = `
http: {listen: "127.0.0.1:PORT"}
sources:
  orders_db: {type: postgres-notify, url: "${DATABASE_URL}", channels: [CHANNEL]}
  orders_bus: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates]}
sinks:
  bus: {type: redis-pub, url: "${REDIS_URL}", channel: orders_updates, sequence: {key: "live:KEY"}}
  browsers: {type: websocket}
routes:
  publish: {from: [orders_db], to: [bus]}
  deliver: {from: [orders_bus], to: [browsers]}
`

// TestLiveFindings proves that check --live reports each fault, and that the fault is gone after
// the mend that it prints.
func TestLiveFindings(t *testing.T) {
	ctx := testenv.Context(t)
	db, redis := testenv.OrdersTable(t), testenv.RedisClient(t)
	env := map[string]string{"DATABASE_URL": testenv.Postgres(t).URL(), "REDIS_URL": testenv.Redis(t).URL()}
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	port := testenv.FreePort(t)
	check := func(replace ...string) (string, error) {
		text := strings.NewReplacer(append(replace, "PORT", fmt.Sprint(port), "CHANNEL", "orders_channel", "KEY", "id")...).Replace(liveConfig)
		return commandLine(t, env, "check", "--live", "-c", writeConfig(t, text))
	}
	expect := func(what string, ok bool, out string, err error, parts ...string) {
		t.Helper()
		if (err == nil) != ok {
			t.Errorf("%s: error %v\n%s", what, err, out)
		}
		for _, p := range parts {
			if !strings.Contains(out, p) {
				t.Errorf("%s: %q is missing in\n%s", what, p, out)
			}
		}
	}

	out, err := check()
	expect("the old trigger", true, out, err, "LISTEN works", "Pub/Sub works", "may INCRBY", "the port is free",
		"gateway.yaml:4:3: sources.orders_db: the trigger orders_notify_trigger on public.orders will fail the user's write of a row over 7,999 bytes",
		"mend it: gateway sql --table public.orders --channel orders_channel --apply, and drop trigger orders_notify_trigger")
	if _, err := commandLine(t, env, "sql", "--table", "orders", "--channel", "orders_channel", "--apply"); err != nil {
		t.Fatal(err)
	}
	exec(`DROP TRIGGER orders_notify_trigger ON orders`)
	out, err = check()
	expect("the new trigger", true, out, err, "nothing is wrong, 0 warnings", "rows over 7,999 bytes do not fail")

	exec(`ALTER TABLE orders DISABLE TRIGGER gateway_notify`)
	out, err = check()
	expect("a disabled trigger", true, out, err, "is disabled", `mend it: ALTER TABLE public.orders ENABLE TRIGGER "gateway_notify"`)
	exec(`ALTER TABLE orders ENABLE TRIGGER "gateway_notify"`)

	out, err = check("CHANNEL", "nobody")
	expect("no trigger", true, out, err, "no trigger in this database notifies nobody", "gateway sql --table TABLE --channel nobody --apply")

	if err := redis.LPush(ctx, "live:list", "x").Err(); err != nil {
		t.Fatal(err)
	}
	out, err = check("KEY", "list")
	expect("a counter of the wrong type", false, out, err, "WRONG", "is a list", "redis-cli DEL live:list")

	if err := redis.Do(ctx, "ACL", "SETUSER", "limited", "on", ">pw", "+@all", "-publish", "~*", "&*").Err(); err != nil {
		t.Fatal(err)
	}
	real := env["REDIS_URL"]
	env["REDIS_URL"] = strings.Replace(real, "redis://", "redis://limited:pw@", 1)
	out, err = check()
	expect("a user who may not publish", false, out, err, "the user limited may not PUBLISH orders_updates", "ACL SETUSER limited +publish")
	if strings.Contains(out, ":pw@") {
		t.Errorf("shows the password:\n%s", out)
	}
	if err := redis.Do(ctx, "ACL", "SETUSER", "limited", "+publish").Err(); err != nil {
		t.Fatal(err)
	}
	out, err = check()
	expect("a user who may publish", true, out, err, "nothing is wrong, 0 warnings")
	env["REDIS_URL"] = "redis://127.0.0.1:1"
	out, err = check()
	expect("no Redis", false, out, err, "WRONG", "connection refused", "sinks.bus", "sources.orders_bus")
	env["REDIS_URL"] = real

	limits, err := redis.ConfigGet(ctx, "client-output-buffer-limit").Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := redis.ConfigSet(ctx, "client-output-buffer-limit", "pubsub 1048576 1048576 10").Err(); err != nil {
		t.Fatal(err)
	}
	out, err = check()
	expect("a small buffer", true, out, err, "is 1 MiB behind", "CONFIG SET client-output-buffer-limit 'pubsub 33554432 8388608 60'")
	if err := redis.ConfigSet(ctx, "client-output-buffer-limit", limits["client-output-buffer-limit"]).Err(); err != nil {
		t.Fatal(err)
	}

	direct := env["DATABASE_URL"]
	exec(`CREATE ROLE reader LOGIN`)
	env["DATABASE_URL"] = strings.Replace(direct, "postgres://postgres@", "postgres://reader@", 1)
	out, err = check()
	expect("a role that may not read", true, out, err, "rows of public.orders over 7,999 bytes cannot be fetched", `mend it: GRANT SELECT ON public.orders TO "reader"`)
	exec(`GRANT SELECT ON orders TO "reader"`)
	out, err = check()
	expect("a role that may", true, out, err, "nothing is wrong, 0 warnings")
	exec(`DROP OWNED BY reader; DROP ROLE reader`)
	env["DATABASE_URL"] = testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "transaction"}).URL()
	out, err = check()
	expect("a transaction pooler", false, out, err, "WRONG", "the connection has no session of its own", "mend it: connect to PostgreSQL itself", "pool_mode=session")
	env["DATABASE_URL"] = "postgres://postgres:s3cret@127.0.0.1:1/x"
	out, err = check()
	expect("no PostgreSQL", false, out, err, "cannot connect to postgres://postgres:***@127.0.0.1:1/x")
	env["DATABASE_URL"] = direct

	if err := redis.Do(ctx, "ACL", "SETUSER", "limited", "-acl").Err(); err != nil {
		t.Fatal(err)
	}
	env["REDIS_URL"] = strings.Replace(real, "redis://", "redis://limited:pw@", 1)
	out, err = check()
	expect("a user without the right to query rights", true, out, err, "warning ", "cannot tell whether the user may PUBLISH", "+acl|whoami +acl|dryrun", "0 wrong, ")
	if strings.Contains(out, "nothing is wrong") {
		t.Errorf("unknown rights count as right:\n%s", out)
	}
	_, replica := testenv.StartRedis(t, "--replicaof", strings.Replace(strings.TrimPrefix(real, "redis://"), ":", " ", 1))
	env["REDIS_URL"] = fmt.Sprintf("redis://127.0.0.1:%d", replica)
	out, err = check()
	expect("a replica", false, out, err, "sinks.bus: the server is a replica")
	env["REDIS_URL"] = real
}

// TestCheckOfPortInUse proves that a port in use is right if a gateway with this configuration has it, a
// warning if a gateway with other components has it, and wrong for another program, which gets no secret.
func TestCheckOfPortInUse(t *testing.T) {
	dir, port, adminPort := t.TempDir(), testenv.FreePort(t), testenv.FreePort(t)
	text := func(admin, sink string) string {
		return fmt.Sprintf("http: {listen: \":%d\", admin: {token: s3cret-of-the-admin%s}}\nsources: {made: {type: generate}}\nsinks: {%s: {type: websocket}, kept: {type: file, path: %q}}\nroutes: {r: {from: [made], to: [%s, kept]}}\n",
			port, admin, sink, dir+"/out", sink)
	}
	listener := fmt.Sprintf(", listen: \"127.0.0.1:%d\"", adminPort)
	check := func(text string) string {
		t.Helper()
		out, err := commandLine(t, nil, "check", "--live", "-c", writeConfig(t, text))
		if (err != nil) != strings.Contains(out, "WRONG") {
			t.Errorf("%v:\n%s", err, out)
		}
		return out
	}
	expect := func(what, out string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(out, p) {
				t.Errorf("%s: %q is missing in\n%s", what, p, out)
			}
		}
	}
	expect("free", check(text("", "browsers")), fmt.Sprintf("ok      http.listen: the port is free: :%d", port), "nothing is wrong, 0 warnings")

	var requests []string
	other := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, fmt.Sprint(r.URL, r.Header))
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	}))
	other.Listener.Close()
	var err error
	if other.Listener, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); err != nil {
		t.Fatal(err)
	}
	other.Start()
	expect("another program", check(text("", "browsers")), "WRONG   http.listen: listen tcp", "address already in use", "mend it: ss -ltnp shows who has the port; set PORT or http.listen to another")
	other.Close()
	if len(requests) != 1 || strings.Contains(requests[0], "s3cret") || strings.Contains(requests[0], "Authorization") {
		t.Errorf("requests: %q", requests)
	}

	for _, admin := range []string{"", listener} {
		r := startGateway(t, writeConfig(t, text(admin, "browsers")), nil)
		expect("this gateway", check(text(admin, "browsers")), fmt.Sprintf("ok      http.listen: a running gateway with these components has the port: :%d", port), "nothing is wrong, 0 warnings")
		expect("a gateway with other components", check(text(admin, "clients")), fmt.Sprintf("warning http.listen: a running gateway has the port :%d; it does not have sink clients", port), "mend it: send it SIGHUP", "0 wrong, ")
		if admin != "" {
			expect("its pages", check(text(admin, "browsers")), "ok      http.admin.listen: a running gateway with these components has the port")
		}
		r.stop()
	}
}

// TestCheckPrintsJSON proves the JSON of a right configuration, of one with a fault at a server, and of one that is
// wrong.
func TestCheckPrintsJSON(t *testing.T) {
	check := func(text string, args ...string) (findings []entry, s summary, err error) {
		t.Helper()
		out, err := commandLine(t, nil, append([]string{"check", "--json", "-c", writeConfig(t, text)}, args...)...)
		var got struct {
			Findings []entry
			Summary  summary
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		return got.Findings, got.Summary, err
	}
	graph := fmt.Sprintf("sources: {made: {type: generate}}\nsinks:\n  kept: {type: file, path: %q}\nroutes: {r: {from: [made], to: [kept]}}\n", t.TempDir()+"/none/out")
	findings, s, err := check(graph)
	if err != nil || s != (summary{OK: 1}) || len(findings) != 1 || !strings.Contains(findings[0].Text, "is right (sources: 1") {
		t.Errorf("%v %+v %+v", err, s, findings)
	}
	findings, s, err = check(fmt.Sprintf("http: {listen: \"127.0.0.1:%d\"}\n", testenv.FreePort(t))+graph, "--live")
	if err == nil || s != (summary{Live: true, OK: 2, Wrong: 1}) || len(findings) != 3 {
		t.Fatalf("%v %+v %+v", err, s, findings)
	}
	if f := findings[1]; f.Component != "sinks.kept" || !strings.HasSuffix(f.Place, "gateway.yaml:4:3") || f.Level != "wrong" || !strings.Contains(f.Text, "does not exist") || !strings.HasPrefix(f.Fix, "mkdir -p ") {
		t.Errorf("%+v", f)
	}
	findings, s, err = check(strings.Replace(graph, "file, path", "file, paht", 1))
	if err == nil || s.Wrong == 0 || s.Wrong != len(findings) || !strings.HasPrefix(findings[0].Component, "sinks.kept") || findings[0].Place == "" || findings[0].Level != "wrong" {
		t.Errorf("%v %+v %+v", err, s, findings)
	}
}

// TestSQLPrintsValidStatements proves that PostgreSQL accepts the output of `gateway sql` for odd names.
func TestSQLPrintsValidStatements(t *testing.T) {
	db := testenv.Connect(t)
	out, err := commandLine(t, nil, "sql", "--table", `public."Odd 'Table'"`, "--channel", "it's")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(testenv.Context(t), `DROP TABLE IF EXISTS "Odd 'Table'"; CREATE TABLE "Odd 'Table'" (id int primary key);`+out+`INSERT INTO "Odd 'Table'" VALUES (1)`); err != nil {
		t.Error(err)
	}
	if _, err := commandLine(t, nil, "sql"); err == nil || !strings.Contains(err.Error(), "--table is required") {
		t.Errorf("without a table: %v", err)
	}
}
