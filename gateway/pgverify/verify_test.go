package pgverify_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

const ordersSQL = `CREATE TABLE orders (id int PRIMARY KEY, status text, amount numeric);`

// gzipped returns the path of a compressed copy of a file.
func gzipped(t testing.TB, path string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(readFile(t, path))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, b.String())
}

// TestEqualInEveryForm proves that a table with columns of all kinds of types equals what was received, by each source and payload, in
// each form in which sinks store it.
func TestEqualInEveryForm(t *testing.T) {
	for name, output := range map[string]string{"notify": "", "outbox order": "order", "outbox change": "change"} {
		t.Run(name, func(t *testing.T) {
			db := reset(t, testenv.TypesSQL("orders"), "orders")
			source := func() plugin.Source { return outboxSource(t, output) }
			if output == "" {
				exec(t, db, pgtrigger.Notify{Table: pgtrigger.Table{Schema: "public", Name: "orders"}, Channel: "orders_channel", Field: "order"}.CreateSQL())
				source = func() plugin.Source { return notifySource(t) }
			}
			events, eventsPath := fileSink(t, "event", 3000)
			payloads, payloadsPath := fileSink(t, "payload", 3000)
			entries, stream := streamSink(t)
			r := receive(t, source(), events, payloads, entries)
			for _, setting := range testenv.SessionSettings {
				if !strings.HasPrefix(setting, "client_encoding") && !strings.HasPrefix(setting, "standard_conforming") {
					exec(t, db, "SET "+setting)
				}
			}
			exec(t, db, `INSERT INTO public.orders (id, note) SELECT n, '{"operation":"DELETE","order":{"id":1}}'||chr(10)||'{"operation" : "TRUNCATE"}'||chr(8232) FROM generate_series(1, 20) n`)
			exec(t, db, `UPDATE public.orders SET at = 'infinity', f8 = 'NaN', doc = '{"b" :  [1 , 2]}', note = 'é "\' WHERE id < 8; UPDATE public.orders SET note = NULL WHERE id < 4`)
			exec(t, db, `DELETE FROM public.orders WHERE id IN (3, 20); INSERT INTO public.orders (id, day) VALUES (20, '0044-03-15 BC')`)
			r.await(t, 20+7+3+2+1)
			redis := testenv.Redis(t).URL()
			equal(t, 19, nil, "--table", "orders", "--received", eventsPath)
			equal(t, 19, nil, "--table", "orders", "--received", payloadsPath)
			equal(t, 19, nil, "--table", "orders", "--stream", stream, "--redis", redis)
			for _, path := range []string{joined(t, eventsPath), joined(t, payloadsPath)} {
				equal(t, 19, nil, "--table", "orders", "--received", gzipped(t, path))
				equal(t, 19, strings.NewReader(readFile(t, path)), "--table", "public.orders", "--received", "-")
				equal(t, 19, strings.NewReader(readFile(t, gzipped(t, path))), "--table", "orders", "--received", "-")
			}
		})
	}
}

// joined returns the path of a file with the lines of a file and of those that the sink has renamed. How many these are depends on the
// sizes of the sink's batches.
func joined(t testing.TB, path string) string {
	t.Helper()
	entries, err := os.ReadDir(strings.TrimSuffix(path, "/orders.jsonl"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	text := ""
	for _, e := range entries[1:] { // the present one comes first
		text += readFile(t, path+strings.TrimPrefix(e.Name(), "orders.jsonl"))
	}
	return writeFile(t, text+readFile(t, path))
}

// TestReport proves what is printed of a row that was lost, one that is stale, one that is left over, and a key that was changed.
func TestReport(t *testing.T) {
	db := reset(t, ordersSQL, "orders")
	sink, path := fileSink(t, "event", 0)
	r := receive(t, outboxSource(t, "change"), sink)
	exec(t, db, `INSERT INTO orders SELECT n, 'new', n FROM generate_series(1, 9) n; UPDATE orders SET id = 10 WHERE id = 9`)
	r.await(t, 10)
	args := []string{"--table", "orders", "--received", path, "--wait", "0s"}
	equal(t, 9, nil, args...)
	exec(t, db, `SET session_replication_role = replica`) // as a change that no trigger captures
	exec(t, db, `INSERT INTO orders VALUES (11, 'lost', 1.5), (12, 'lost', 2.5); DELETE FROM orders WHERE id = 1; UPDATE orders SET amount = 2.0, status = E'paid\x1b' WHERE id = 2; UPDATE orders SET id = 30 WHERE id = 3`)
	exec(t, db, `RESET session_replication_role`)

	out, status, err := verify(t, nil, args...)
	want := `missing   public.orders:11
missing   public.orders:12
missing   public.orders:30
extra     public.orders:1
extra     public.orders:3
different public.orders:2: status, amount
public.orders: 10 rows compared, 6 equal, 3 missing, 1 different, 2 extra
received: 10 events, 0 of them repeats, with the last state of 9 rows
`
	if out != want || status != 1 || err == nil || err.Error() != "differences: 6" {
		t.Errorf("exit status %d, %v, printed\n%s", status, err, out)
	}
	out, _, _ = verify(t, nil, append(args, "--values", "--limit", "6")...)
	if want := `different public.orders:2: status is "\"paid\\u001b\"", received "new", amount is 2.0, received 2` + "\n"; !strings.Contains(strings.ReplaceAll(out, `"paid\u001b"`, `"\"paid\\u001b\""`), want) {
		t.Errorf("printed\n%s", out)
	}
	out, _, _ = verify(t, nil, append(args, "--limit", "2")...)
	if want := "missing   public.orders:12\nand 4 more\npublic.orders: "; !strings.Contains(out, want) {
		t.Errorf("printed\n%s", out)
	}
	out, status, _ = verify(t, nil, append(args, "--json", "--values")...)
	lines := strings.Split(out, "\n")
	if status != 1 || len(lines) != 8 || lines[0] != `{"difference":"missing","key":"public.orders:11"}` ||
		lines[5] != `{"difference":"different","key":"public.orders:2","columns":["status","amount"],"in_table":{"amount":2.0,"status":"paid\u001b"},"received":{"amount":2,"status":"new"}}` ||
		lines[6] != `{"table":"public.orders","rows":10,"equal":6,"missing":3,"extra":2,"different":1,"partial":0,"received":9,"events":10,"repeats":0,"unknown":0,"other_tables":0}` {
		t.Errorf("exit status %d, printed\n%s", status, out)
	}
	out, status, _ = verify(t, strings.NewReader(readFile(t, path)), "--table", "orders", "--received", "-", "--json")
	if status != 1 || !strings.Contains(out, `{"difference":"different","key":"public.orders:2"}`) {
		t.Errorf("exit status %d, printed\n%s", status, out)
	}
}

// TestLostLine proves that a single line that a receiver has lost is found, whatever it was.
func TestLostLine(t *testing.T) {
	db := reset(t, ordersSQL, "orders")
	sink, path := fileSink(t, "event", 0)
	r := receive(t, outboxSource(t, "order"), sink)
	exec(t, db, `INSERT INTO orders SELECT n, 'new', n FROM generate_series(1, 4) n; UPDATE orders SET status = 'paid' WHERE id = 2; DELETE FROM orders WHERE id = 3; UPDATE orders SET id = 5 WHERE id = 4`)
	r.await(t, 7)
	lines := strings.SplitAfter(strings.TrimSpace(readFile(t, path)), "\n")
	for lost, want := range map[int]string{
		0: "missing   public.orders:1\n",
		1: "", // the next change of the row makes up for it
		4: "different public.orders:2: status\n",
		5: "extra     public.orders:3\n",
		6: "missing   public.orders:5\nextra     public.orders:4\n",
	} {
		received := writeFile(t, strings.Join(append(append([]string(nil), lines[:lost]...), lines[lost+1:]...), ""))
		out, status, _ := verify(t, nil, "--table", "orders", "--received", received, "--wait", "0s")
		if !strings.HasPrefix(out, want+"public.orders: 3 rows compared") || (status == 1) != (want != "") {
			t.Errorf("without line %d: exit status %d, printed\n%s", lost, status, out)
		}
	}
	repeated := writeFile(t, strings.Join(lines, "")+"\n"+lines[0]+lines[2]) // older ones come again, after their rows were changed
	equal(t, 3, nil, "--table", "orders", "--received", repeated)
	equal(t, 3, nil, "--table", "orders", "--received", writeFile(t, strings.Join(lines[:2], "")), "--received", writeFile(t, strings.Join(lines[2:], "")))
}

// TestTruncate proves that rows before a TRUNCATE are gone, in each payload, and those after it are not.
func TestTruncate(t *testing.T) {
	for _, output := range []string{"order", "change"} {
		t.Run(output, func(t *testing.T) {
			db := reset(t, ordersSQL+`CREATE TABLE other (id int PRIMARY KEY);`, "orders", "other")
			events, path := fileSink(t, "event", 0)
			payloads, payloadsPath := fileSink(t, "payload", 0)
			r := receive(t, outboxSource(t, output), events, payloads)
			exec(t, db, `INSERT INTO orders SELECT n, 'new', n FROM generate_series(1, 4) n; TRUNCATE orders; INSERT INTO orders VALUES (3, 'next', 1)`)
			r.await(t, 6)
			equal(t, 1, nil, "--table", "orders", "--received", payloadsPath)
			exec(t, db, `INSERT INTO other VALUES (3), (4); TRUNCATE other`)
			r.await(t, 9)
			equal(t, 1, nil, "--table", "orders", "--received", path)
			equal(t, 0, nil, "--table", "other", "--received", path)
			out, status, _ := verify(t, nil, "--table", "orders", "--received", path)
			if want := "note: 3 events are of other tables: public.other\n"; status != 0 || !strings.HasSuffix(out, want) {
				t.Errorf("exit status %d, printed\n%s", status, out)
			}
			exec(t, db, `TRUNCATE orders`)
			r.await(t, 10)
			equal(t, 0, nil, "--table", "orders", "--received", path)
		})
	}
}

// TestPartitionedTableWithCompositeKey proves that rows are compared by keys of several columns. Some values have commas, and some
// rows move to another partition.
func TestPartitionedTableWithCompositeKey(t *testing.T) {
	db := reset(t, `CREATE SCHEMA IF NOT EXISTS "Sho.p"; DROP TABLE IF EXISTS "Sho.p"."Order,s";
		CREATE TABLE "Sho.p"."Order,s" (note text, region text, "No" int, at timestamptz DEFAULT '2024-07-01', PRIMARY KEY (region, "No", at)) PARTITION BY LIST (region);
		CREATE TABLE "Sho.p".eu PARTITION OF "Sho.p"."Order,s" FOR VALUES IN ('e,u', 'e\', 'e'); CREATE TABLE "Sho.p".rest PARTITION OF "Sho.p"."Order,s" DEFAULT;`, `"Sho.p"."Order,s"`)
	events, path := fileSink(t, "event", 0)
	r := receive(t, outboxSource(t, "order"), events)
	exec(t, db, `INSERT INTO "Sho.p"."Order,s" (region, "No", note) SELECT r, n, 'a,b' FROM unnest(ARRAY['e,u', 'e\', 'e', ',', '\,', '', E'\n']) r, generate_series(1, 50) n`)
	exec(t, db, `UPDATE "Sho.p"."Order,s" SET region = 'us' WHERE region = 'e' AND "No" <= 10; DELETE FROM "Sho.p"."Order,s" WHERE region = ','; UPDATE "Sho.p"."Order,s" SET note = 'x' WHERE "No" = 7`)
	r.await(t, 350+20+50+6) // a row that moves is deleted and inserted
	args := []string{"--table", `"Sho.p"."Order,s"`, "--received", path, "--wait", "0s"}
	equal(t, 300, nil, args...)
	equal(t, 40, nil, append(args, "--where", `region = 'e'`)...)
	exec(t, db, `SET session_replication_role = replica; DELETE FROM "Sho.p".eu WHERE "No" = 50; UPDATE "Sho.p".rest SET note = 'stale' WHERE "No" = 49 AND region <> 'us'; RESET session_replication_role`)
	out, status, _ := verify(t, nil, args...)
	var want []string
	for _, key := range []string{`e\,u,50`, `e\\,50`, `e,50`} {
		want = append(want, `extra     "Sho.p".Order,s:`+key+`,2024-07-01T00:00:00+00:00`)
	}
	for _, key := range []string{`\\\,,49`, `,49`, `"\n,49`} {
		line := `different "Sho.p".Order,s:` + key + `,2024-07-01T00:00:00+00:00`
		if strings.HasPrefix(key, `"`) { // it is quoted for the terminal
			line = `different "\"Sho.p\".Order,s:` + key[1:] + `,2024-07-01T00:00:00+00:00"`
		}
		want = append(want, line+": note")
	}
	if head := fmt.Sprint(strings.Join(want, "\n"), "\n\"Sho.p\".Order,s: 297 rows compared, 294 equal, 0 missing, 3 different, 3 extra\n"); status != 1 || !strings.HasPrefix(out, head) {
		t.Errorf("exit status %d, printed\n%s, want\n%s", status, out, head)
	}
}

// TestSnapshotThenChanges proves that rows that were read for a snapshot, and sent again, count as rows.
func TestSnapshotThenChanges(t *testing.T) {
	db := reset(t, ordersSQL+`INSERT INTO orders SELECT n, 'old', n FROM generate_series(1, 500) n;`, "orders")
	events, path := fileSink(t, "event", 0)
	payloads, payloadsPath := fileSink(t, "payload", 0)
	r := receive(t, outboxSource(t, "change", "orders"), events, payloads)
	r.await(t, 500)
	exec(t, db, `UPDATE orders SET status = 'paid' WHERE id % 2 = 0; DELETE FROM orders WHERE id % 5 = 0`)
	r.await(t, 850)
	equal(t, 400, nil, "--table", "orders", "--received", path)
	equal(t, 400, nil, "--table", "orders", "--received", payloadsPath)
}
