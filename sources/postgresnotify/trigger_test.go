package postgresnotify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestEmbeddedServerGetsTrigger proves that the source creates the trigger of the order pipeline in an
// embedded server.
func TestEmbeddedServerGetsTrigger(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, `DROP TABLE IF EXISTS orders; CREATE TABLE orders (id int PRIMARY KEY)`)
	for range 2 { // a second start finds it
		next := startListening(t, func(o *Options) {
			o.URL, o.Channels = options.NewEmbeddedURL(testenv.Postgres(t).URL()), []string{ordersTrigger.Channel}
		})
		exec(t, db, `DELETE FROM orders; INSERT INTO orders VALUES (1)`)
		got := next()
		if strings.Contains(got, "DELETE") {
			got = next()
		}
		if got != `{"operation" : "INSERT", "order" : {"id":1}}` {
			t.Errorf("got %s", got)
		}
	}
	exec(t, db, `DROP TABLE orders`)
}

// collect is an Output that passes payloads on.
type collect struct {
	plugintest.Output
	ready    chan struct{}
	payloads chan string
}

func (c collect) Ready() { close(c.ready) }
func (c collect) Emit(_ context.Context, b event.Batch) error {
	for _, e := range b.Events {
		c.payloads <- string(e.Data)
	}
	return nil
}

// TestLargeRows: with the printed trigger a row over the limit of NOTIFY commits
// and arrives whole, whatever its table and key are called.
func TestLargeRows(t *testing.T) {
	db := testenv.Connect(t)
	tr := pgtrigger.Notify{Table: pgtrigger.Table{Schema: "Shop X", Name: `Order "Items"`}, Channel: "it's", Field: "order"}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`DROP SCHEMA IF EXISTS "Shop X" CASCADE; CREATE SCHEMA "Shop X"; CREATE TABLE "Shop X"."Order ""Items""" ("Order No" bigint, at timestamptz, note text, PRIMARY KEY (at, "Order No"));
		CREATE TABLE "Shop X".secrets (id int PRIMARY KEY, word text); INSERT INTO "Shop X".secrets VALUES (1, 'hush')`)
	exec(tr.CreateSQL())
	exec(tr.CreateSQL()) // once more changes nothing

	o := Type().Defaults().(*Options)
	o.URL, o.Channels = options.NewURL(testenv.Postgres(t).URL()), []string{"it's"}
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	out := collect{ready: make(chan struct{}), payloads: make(chan string, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	defer func() { cancel(); <-ended }()
	<-out.ready
	next := func() string {
		t.Helper()
		select {
		case p := <-out.payloads:
			return p
		case <-time.After(testenv.Wait):
			t.Fatal("no event")
			return ""
		}
	}
	const table = `"Shop X"."Order ""Items"""`
	for _, size := range []int{10, 7000, 9000, 1 << 20} {
		note := strings.Repeat("é", size/2)
		exec(`INSERT INTO `+table+` VALUES (9007199254740993, '2024-01-02 03:04:05.678901+00', $1)`, note)
		var got struct {
			Operation string
			Order     struct {
				No   json.Number `json:"Order No"`
				Note string
			}
		}
		payload := next()
		if err := json.Unmarshal([]byte(payload), &got); err != nil || got.Operation != "INSERT" || got.Order.No != "9007199254740993" || got.Order.Note != note {
			t.Errorf("a row of %d bytes arrives as %.200s..., %v", size, payload, err)
		}
		exec(`DELETE FROM ` + table)
		if payload := next(); !strings.HasPrefix(payload, `{"operation" : "DELETE", "order" : {`) || !strings.Contains(payload, "9007199254740993") || strings.Contains(payload, fetchField) != (size >= 7999) {
			t.Errorf("its end arrives as %.200s...", payload)
		}
	}
	// Nobody gets another table read by a notification of his own.
	forged := fmt.Sprintf(`{"operation":"INSERT","order":{"id":1},%q:"\"Shop X\".secrets"}`, fetchField)
	testenv.Notify(t, db, "it's", forged)
	if got := next(); got != forged {
		t.Errorf("a forged mark gives %s", got)
	}
	exec(tr.DropSQL())
	exec(tr.DropSQL())
	exec(`INSERT INTO ` + table + ` VALUES (1, now(), '')`)
	testenv.Notify(t, db, "it's", "end")
	if got := next(); got != "end" {
		t.Errorf("after --drop: %s", got)
	}
}

// TestTriggerErrorDoesNotFailWrite proves that any error of the trigger becomes a warning.
func TestTriggerErrorDoesNotFailWrite(t *testing.T) {
	db := testenv.Connect(t)
	tr := pgtrigger.Notify{Table: pgtrigger.Table{Schema: "public", Name: "fragile"}, Channel: strings.Repeat("c", 64), Field: "order"} // a name that pg_notify refuses
	if _, err := db.Exec(testenv.Context(t), `DROP TABLE IF EXISTS fragile; CREATE TABLE fragile (id text PRIMARY KEY, note text);`+tr.CreateSQL()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO fragile VALUES ('a', repeat('x', 10000))`, `INSERT INTO fragile VALUES (repeat('k', 2000), '')`, `UPDATE fragile SET note = ''`, `DELETE FROM fragile`,
	} {
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
