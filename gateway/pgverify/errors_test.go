package pgverify_test

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestCannotCompare proves that each reason why nothing can be compared has its message, and the exit status 2.
func TestCannotCompare(t *testing.T) {
	reset(t, ordersSQL+`CREATE TABLE no_key (id int); CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts DEFAULT;
		CREATE TABLE arrays (id int[] PRIMARY KEY); INSERT INTO arrays VALUES ('{1}');`, "orders")
	path, redis := writeFile(t, `{"operation":"INSERT","order":{"id":1}}`), testenv.Redis(t).URL()
	for _, test := range []struct{ args, want string }{
		{"", "--table is required"},
		{"--table orders", "what was received is missing"},
		{"--table orders --received " + path + " --stream x", "give one of them"},
		{"--table orders --received " + path + " --redis " + redis, "--redis is for --stream"},
		{"--table orders --received " + path + " --sample -1", "not negative"},
		{"--table orders --received " + path + " more", `"more" is no flag`},
		{"--table orders --received " + path + ".missing", "no such file"},
		{"--table orders --stream x", "--stream needs a Redis"},
		{"--table orders --stream missing --redis " + redis, "there is no stream missing"},
		{"--table orders --stream x --redis redis://127.0.0.1:1", "connection refused"},
		{"--table orders --stream x --redis nothing", "the URL of the Redis"},
		{"--table a;b --received " + path, "--table: table a;b"},
		{"--table nothing --received " + path, "there is no table public.nothing"},
		{"--table no_key --received " + path, "public.no_key has no primary key"},
		{"--table part --received " + path, "public.part is a partition"},
		{"--table arrays --received " + path, "JSON array or object"},
		{"--table orders --received " + path + " --url postgres://postgres:secret@127.0.0.1:1/postgres", "cannot connect to postgres://postgres:"},
		{"--table orders --received " + writeFile(t, "one\ntwo\n"), ":1: "},
	} {
		out, status, err := verify(t, nil, strings.Fields(test.args)...)
		if status != 2 || out != "" || !strings.Contains(fmt.Sprint(err), test.want) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: exit status %d, %v, printed %s", test.args, status, err, out)
		}
	}
}

// TestKeysThatColumnsCannotHave proves that received keys that no row can have are extra, whatever their values are.
func TestKeysThatColumnsCannotHave(t *testing.T) {
	db := reset(t, `CREATE TABLE orders (code varchar(3), n smallint, day date, PRIMARY KEY (code, n, day)); INSERT INTO orders VALUES ('abc', 1, '2024-07-01');`)
	row := func(code, n, day string) string {
		return fmt.Sprintf(`{"operation":"INSERT","order":{"code":"%s","n":%s,"day":"%s"}}`, code, n, day) + "\n"
	}
	good := row("abc", "1", "2024-07-01")
	equal(t, 1, nil, "--table", "orders", "--received", writeFile(t, good), "--where", "true")
	path := writeFile(t, row("abcdef", "1", "2024-07-01")+row("abc", "70000", "2024-07-01")+row("abc", `"x"`, "2024-07-01")+row("abc", "1", "2024-02-31")+good+row("ab", "1.4", "2024-07-01"))
	for _, flags := range [][]string{nil, {"--where", "true"}, {"--sample", "9"}} {
		out, status, err := verify(t, nil, append(flags, "--table", "orders", "--received", path, "--wait", "0s")...)
		if want := "public.orders: 1 rows compared, 1 equal, 0 missing, 0 different, 5 extra\n"; status != 1 || !strings.Contains(out, want) {
			t.Errorf("%q: exit status %d, %v, printed\n%s", flags, status, err, out)
		}
	}
	exec(t, db, "DELETE FROM orders")
	if out, status, _ := verify(t, nil, "--table", "orders", "--received", path, "--wait", "0s"); status != 1 || !strings.Contains(out, " 6 extra\n") {
		t.Errorf("exit status %d, printed\n%s", status, out)
	}
}

// TestTrimmedStream proves that the result says where a stream has lost entries.
func TestTrimmedStream(t *testing.T) {
	db := reset(t, ordersSQL, "orders")
	entries, stream := streamSink(t)
	r := receive(t, outboxSource(t, "order"), entries)
	exec(t, db, `INSERT INTO orders SELECT n, 'new', n FROM generate_series(1, 10) n`)
	r.await(t, 10)
	if err := testenv.RedisClient(t).XTrimMaxLen(testenv.Context(t), stream, 7).Err(); err != nil {
		t.Fatal(err)
	}
	out, status, err := verify(t, nil, "--table", "orders", "--stream", stream, "--redis", testenv.Redis(t).URL(), "--wait", "0s")
	if want := "note: 3 older entries of the stream " + stream + " were trimmed"; status != 1 || !strings.Contains(out, want) || !strings.Contains(out, "7 equal, 3 missing") {
		t.Errorf("exit status %d, %v, printed\n%s", status, err, out)
	}
}
