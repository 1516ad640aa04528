package websocket

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
	"eventgateway/gateway/testenv"
)

// answer is the answer to a request for a snapshot.
type answer struct {
	status   int
	header   http.Header
	text     string // of an answer that is no snapshot
	position url.Values
	rows     []string
	last     struct {
		Complete bool
		Rows     int
		Error    string
	}
}

// requestSnapshot requests a snapshot, and reads all of it.
func requestSnapshot(t testing.TB, server *httptest.Server, query string, header http.Header) (a answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(testenv.Context(t), "GET", server.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	a.read(t, resp)
	return a
}

// read reads the lines of an answer.
func (a *answer) read(t testing.TB, resp *http.Response) {
	t.Helper()
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 8<<20)
	var lines []string
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		a.text = strings.Join(lines, "\n")
		return
	}
	if len(lines) < 2 {
		t.Fatalf("only %d lines: %q", len(lines), lines)
	}
	var at struct {
		Epoch        string
		Offset, Seen json.RawMessage
	}
	if err := json.Unmarshal([]byte(lines[0]), &at); err != nil || at.Epoch == "" {
		t.Fatalf("the first line is %s: %v", lines[0], err)
	}
	a.position = url.Values{"epoch": {at.Epoch}, "offset": {strings.Trim(string(at.Offset), `"`)}, "seen": {string(at.Seen)}}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &a.last); err != nil {
		t.Fatalf("the last line is %s: %v", lines[len(lines)-1], err)
	}
	a.rows = lines[1 : len(lines)-1]
}

// execSQL executes SQL statements.
func execSQL(t testing.TB, db *pgx.Conn, sql string) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql); err != nil {
		t.Fatalf("%v: %.300s", err, sql)
	}
}

// withTable sets the option snapshot for tables of the package's server.
func withTable(t testing.TB, tables ...string) func(*Options) {
	return func(o *Options) {
		o.Snapshot.URL, o.Snapshot.Tables, o.Snapshot.Output = options.NewURL(testenv.Postgres(t).URL()), tables, "change"
	}
}

// TestSnapshot: the rows come in the order of the key, with the position before and the number behind, and in the form of
// postgres-outbox. The client then gets the messages since the position.
func TestSnapshot(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, `DROP TABLE IF EXISTS parts; CREATE TABLE parts (region text, no int, doc json, card text, PRIMARY KEY (region, no));
		INSERT INTO parts SELECT r, n, E'{"a" :\n 1}', '4111' FROM generate_series(1, 700) n, unnest(ARRAY['us', 'a,b']) r`)
	for _, output := range []string{"change", "order"} {
		s, server := newSink(t, func(o *Options) {
			withTable(t, "Parts")(o)
			o.Snapshot.Output, o.Snapshot.Remove = output, []rawjson.Path{rawjson.MustPath("new.card"), rawjson.MustPath("order.card")}
		}, httptest.NewServer)
		s.send(t, orders(0, 10)...)
		if err := s.Gap(t.Context(), plugin.Gap{Reason: "of the start"}); err != nil {
			t.Fatal(err)
		}
		filter := map[string]string{"change": "new.no > 0", "order": "order.no > 0"}[output]
		for _, query := range []string{"", "&filter=" + url.QueryEscape(filter)} {
			a := requestSnapshot(t, server, "snapshot=public.parts"+query, nil)
			if len(a.rows) != 1400 || !a.last.Complete || a.last.Rows != 1400 {
				t.Fatalf("%d rows, %+v, %s", len(a.rows), a.last, a.text)
			}
			for i, row := range a.rows {
				want := fmt.Sprintf(`{"region":"%s","no":%d,"doc":{"a" :  1}}`, []string{"a,b", "us"}[i/700], i%700+1)
				if output == "change" {
					want = `{"operation":"READ","table":"public.parts","snapshot":"row","old":null,"new":` + want + `}`
				} else {
					want = `{"operation" : "READ", "order" : ` + want + `}`
				}
				if row != want {
					t.Fatalf("row %d: got  %s\nwant %s", i, row, want)
				}
			}
			s.send(t, &event.Event{Data: []byte(`{"new":{"no":7},"order":{"no":7}}`)})
			f := &protocolClient{t: t, server: server, query: a.position}
			if strings.HasPrefix(query, "&filter") {
				f.query.Set("filter", filter)
			}
			f.connect()
			f.wantRecovered(true)
			f.until(`{"new":{"no":7},"order":{"no":7}}`)
			if len(f.got) != 1 {
				t.Errorf("the client got %q", f.got)
			}
		}
		if s.topicCount() > 1 {
			t.Errorf("%d topics", s.topicCount())
		}
	}
}

// TestSnapshotShowsTenantsTheirOwnRows: of 500 tenants each gets its own rows, and no other.
func TestSnapshotShowsTenantsTheirOwnRows(t *testing.T) {
	db := testenv.Connect(t)
	execSQL(t, db, `DROP TABLE IF EXISTS orders CASCADE; CREATE TABLE orders (id int PRIMARY KEY, customer_id text, "Customer_ID" text); INSERT INTO orders SELECT n, 'c' || n % 500, 'c' || (n + 1) % 500 FROM generate_series(1, 500) n;
		INSERT INTO orders VALUES (5000, NULL, 'c1'), (5001, '', 'c1'), (5002, 'C1', 'c1')`)
	secret := strings.Repeat("s", 32)
	s, server := newSink(t, func(o *Options) {
		withTable(t, "orders")(o)
		o.Snapshot.Output = "order"
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(secret)}
		if err := o.Authorize.UnmarshalText([]byte("order.customer_id == claims.sub")); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	var all []pageRow
	for p := newPages(s.snapshots.pool, `"public"."orders"`); ; {
		rows, err := p.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, rows...); len(rows) == 0 {
			break
		}
	}
	s.snapshots.pool.closeIdle()
	foreign := 0
	for n := range 500 {
		tenant, got := fmt.Sprintf("c%d", n), 0
		rights, err := rightsOf(s.opts.Authorize, map[string]any{"sub": tenant})
		if err != nil {
			t.Fatal(err)
		}
		err = newRowFilter(s, subscription{rights: rights, protocol: true}, "", "public.orders").each(t.Context(), all, func(row []byte) error {
			if got++; !strings.Contains(string(row), fmt.Sprintf(`"customer_id":"%s"`, tenant)) {
				foreign++
			}
			return nil
		})
		if err != nil || got != 1 {
			t.Errorf("%s: %d rows, %v", tenant, got, err)
		}
	}
	for n := 0; n < 500; n += 25 { // and by HTTP
		tenant := fmt.Sprintf("c%d", n)
		token := signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": tenant, "exp": inOneHour()}, "")
		query := "snapshot=orders"
		if n%2 == 1 {
			query += "&filter=" + url.QueryEscape("order.id > 0 || true")
		}
		a := requestSnapshot(t, server, query, bearerHeader(token))
		for _, row := range a.rows {
			if !strings.Contains(row, fmt.Sprintf(`"customer_id":"%s"`, tenant)) {
				foreign++
			}
		}
		if len(a.rows) != 1 || !a.last.Complete {
			t.Fatalf("%s: %d rows, %+v %s", tenant, len(a.rows), a.last, a.text)
		}
	}
	if foreign > 0 {
		t.Errorf("%d foreign rows", foreign)
	}
	for name, c := range map[string]struct {
		header http.Header
		status int
	}{
		"no token": {nil, 401}, "a wrong token": {bearerHeader("x"), 401},
		"no claim": {bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"exp": inOneHour()}, "")), 403},
		"a page":   {http.Header{"Origin": {"https://evil.example"}}, 403},
	} {
		if a := requestSnapshot(t, server, "snapshot=orders", c.header); a.status != c.status {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
}

// TestSnapshotChannels: a snapshot has the rows of the channels to which the client subscribes.
func TestSnapshotChannels(t *testing.T) {
	execSQL(t, testenv.Connect(t), `DROP TABLE IF EXISTS rooms; CREATE TABLE rooms (id int PRIMARY KEY, name text); INSERT INTO rooms SELECT n, 'r' || n % 3 FROM generate_series(1, 30) n`)
	for _, c := range []struct {
		templates []string
		query     string
		want      int
	}{
		{nil, "channel=public.rooms", 30}, {nil, "channel=other", 0},
		{[]string{"room:{{ new.name }}"}, "channel=room:r1", 10}, {[]string{"room:{{ new.name }}"}, "channel=room:*", 30}, {[]string{"room:{{ new.name }}"}, "channel=room:r1&channel=room:r2&filter=new.id%3C=9", 6},
	} {
		_, server := newSink(t, func(o *Options) {
			withTable(t, "rooms")(o)
			for _, text := range c.templates {
				o.Channels = append(o.Channels, expr.MustTemplate(text))
			}
		}, httptest.NewServer)
		if a := requestSnapshot(t, server, "snapshot=rooms&"+c.query, nil); len(a.rows) != c.want || !a.last.Complete {
			t.Errorf("%s: %d rows, %+v", c.query, len(a.rows), a.last)
		}
	}
}

// TestSnapshotRefusals: requests that cannot be served get a status and a reason, and no secret.
func TestSnapshotRefusals(t *testing.T) {
	execSQL(t, testenv.Connect(t), `DROP TABLE IF EXISTS keyless, secrets; CREATE TABLE keyless (id int); CREATE TABLE secrets (id int PRIMARY KEY)`)
	_, off := newSink(t, nil, httptest.NewServer)
	if a := requestSnapshot(t, off, "snapshot=orders", nil); a.status != 404 || !strings.Contains(a.text, "snapshot.tables") {
		t.Errorf("without the option: %d %s", a.status, a.text)
	}
	_, server := newSink(t, withTable(t, "keyless", "missing"), httptest.NewServer)
	_, down := newSink(t, func(o *Options) {
		withTable(t, "keyless")(o)
		o.Snapshot.URL = options.NewURL("postgres://user:canary@127.0.0.1:1/d")
	}, httptest.NewServer)
	for query, c := range map[string]struct {
		server *httptest.Server
		status int
		text   string
	}{
		"snapshot=secrets": {server, 404, "no snapshot of this table"}, "snapshot=": {server, 404, ""}, "snapshot=a.b.c": {server, 404, ""}, "snapshot=keyless&filter=((": {server, 400, ""},
		"snapshot=keyless": {server, 503, "the table cannot be read"}, "snapshot=missing": {server, 503, "the table cannot be read"}, "snapshot=keyless&x": {down, 503, "the table cannot be read"},
	} {
		a := requestSnapshot(t, c.server, query, nil)
		if a.status != c.status || !strings.Contains(a.text, c.text) || strings.Contains(a.text, "canary") {
			t.Errorf("%s: %d %s", query, a.status, a.text)
		}
		if (a.status == 503) != (a.header.Get("Retry-After") != "") {
			t.Errorf("%s: the header is %v", query, a.header)
		}
	}
}
