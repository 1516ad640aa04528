package postgresnotify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestProbeFindsTriggersOfChannel proves that exactly the triggers that notify a channel are found: not
// those of channels with a similar name, and not those of the outbox.
func TestProbeFindsTriggersOfChannel(t *testing.T) {
	db, ctx := testenv.Connect(t), testenv.Context(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	const clean = `DROP SCHEMA IF EXISTS probed CASCADE; DROP SCHEMA IF EXISTS gateway CASCADE; DO $$ BEGIN DROP OWNED BY looker; DROP ROLE looker; EXCEPTION WHEN undefined_object THEN NULL; END $$;`
	exec(clean + `CREATE SCHEMA probed; CREATE TABLE probed.orders (id int PRIMARY KEY)`)
	t.Cleanup(func() { exec(clean) })
	table := pgtrigger.Table{Schema: "probed", Name: "orders"}
	exec(pgtrigger.Outbox{Tables: []pgtrigger.Table{table}}.CreateSQL())
	exec(`
CREATE FUNCTION probed.literal() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_notify('orders', row_to_json(NEW)::text); RETURN NULL; END$$;
CREATE FUNCTION probed.longer() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_notify('orders_archive', 'all orders'); RETURN NULL; END$$;
CREATE FUNCTION probed.statement() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NOTIFY orders, 'changed'; RETURN NULL; END$$;
CREATE FUNCTION probed.argument() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_notify(TG_ARGV[1], ''); RETURN NULL; END$$;
CREATE FUNCTION probed.audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE LOG 'orders'; RETURN NULL; END$$;
CREATE TRIGGER literal AFTER INSERT ON probed.orders FOR EACH ROW EXECUTE FUNCTION probed.literal();
CREATE TRIGGER longer AFTER INSERT ON probed.orders FOR EACH ROW EXECUTE FUNCTION probed.longer();
CREATE TRIGGER "a statement" AFTER INSERT ON probed.orders EXECUTE FUNCTION probed.statement();
CREATE TRIGGER argument AFTER INSERT ON probed.orders EXECUTE FUNCTION probed.argument('x', 'orders');
CREATE TRIGGER argument_longer AFTER INSERT ON probed.orders EXECUTE FUNCTION probed.argument('x', 'my_orders');
CREATE TRIGGER audit AFTER INSERT ON probed.orders EXECUTE FUNCTION probed.audit('orders')`)
	exec(pgtrigger.Notify{Table: table, Channel: "elsewhere", Field: "orders"}.CreateSQL())
	names := func(channel string) (found []string) {
		for _, f := range probeTriggers(ctx, db, channel) {
			if _, rest, ok := strings.Cut(f.Text, "the trigger "); ok {
				name, _, _ := strings.Cut(rest, " on probed.orders")
				found = append(found, name)
			} else {
				found = append(found, f.Text)
			}
			if strings.Contains(f.Fix, "gateway_outbox") {
				t.Errorf("%s: %s", channel, f.Fix)
			}
		}
		slices.Sort(found)
		return found
	}
	for channel, want := range map[string][]string{
		"orders":         {"a statement", "argument", "literal"},
		"orders_archive": {"longer"},
		"my_orders":      {"argument_longer"},
		"elsewhere":      {"gateway_notify"},
		"rders":          {"no trigger in this database notifies rders"},
		"o.ders":         {"no trigger in this database notifies o.ders"},
		"probed.orders":  {"no trigger in this database notifies probed.orders"},
		`it's \x`:        {`no trigger in this database notifies it's \x`},
	} {
		if got := names(channel); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", channel, got, want)
		}
	}

	exec(`CREATE ROLE looker LOGIN; GRANT SELECT ON probed.orders TO looker`)
	config, err := pgx.ParseConfig(strings.Replace(testenv.Postgres(t).URL(), "postgres@", "looker@", 1))
	if err != nil {
		t.Fatal(err)
	}
	looker, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer looker.Close(ctx)
	want := plugin.Finding{
		Level: plugin.Warning, Text: "rows of probed.orders over 7,999 bytes cannot be fetched: USAGE of its schema is not granted",
		Fix: `GRANT USAGE ON SCHEMA probed TO "looker"; GRANT SELECT ON probed.orders TO "looker" -- as the owner`,
	}
	if got := probeTriggers(ctx, looker, "elsewhere"); len(got) != 1 || got[0] != want {
		t.Errorf("without USAGE: %+v", got)
	}
	exec(want.Fix)
	if got := probeTriggers(ctx, looker, "elsewhere"); len(got) != 1 || got[0].Level != plugin.OK {
		t.Errorf("with USAGE: %+v", got)
	}
}

// TestProbeReportsCause proves that findings blame no pooler if the cause is another.
func TestProbeReportsCause(t *testing.T) {
	o := Type().Defaults().(*Options)
	o.URL, o.Channels = options.NewURL("postgres://u:secret@127.0.0.1:1/x"), []string{"c"}
	s, err := build(*o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.(*source).Probe(testenv.Context(t)))
	if !strings.Contains(got, "cannot connect to postgres://u:***@127.0.0.1:1/x") || strings.Contains(got, "pgbouncer") {
		t.Error(got)
	}
}
