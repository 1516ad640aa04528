package postgreswal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// probeText returns the findings as lines of "level: text -> fix".
func probeText(t *testing.T, set func(*Options)) (out string) {
	t.Helper()
	for _, f := range newSource(t, set).Probe(testenv.Context(t)) {
		out += fmt.Sprintf("%s: %s -> %s\n", f.Level, f.Text, f.Fix)
	}
	return out
}

// setServer changes a setting of the server until the test ends.
func setServer(t *testing.T, db *pgx.Conn, name, value string) {
	t.Helper()
	change := func(sql, want string) {
		sourcetest.Exec(t, db, sql)
		sourcetest.Exec(t, db, "SELECT pg_reload_conf()")
		testenv.WaitForSQL(t, db, "SELECT $2 = '' OR current_setting($1) = $2", name, want)
	}
	change(fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value), value)
	t.Cleanup(func() { change("ALTER SYSTEM RESET "+name, "") })
}

// probeCase spoils one thing, wants a finding, and mends it: by the SQL of the finding's fix, if mend is "fix".
type probeCase struct {
	spoil, want, mend string
	set               func(*Options)
}

func runProbeCases(t *testing.T, db *pgx.Conn, set func(*Options), cases []probeCase) {
	t.Helper()
	if fine := probeText(t, set); strings.Contains(fine, "WRONG:") || strings.Contains(fine, "warning:") {
		t.Errorf("nothing is wrong, and the findings are:\n%s", fine)
	}
	for _, c := range cases {
		if c.spoil != "" {
			sourcetest.Exec(t, db, c.spoil)
		}
		options := set
		if c.set != nil {
			options = c.set
		}
		got := probeText(t, options)
		if !strings.Contains(got, c.want) {
			t.Errorf("%s\nwant %s\ngot\n%s", c.spoil, c.want, got)
			c.mend = strings.Replace(c.mend, "fix", "", 1)
		}
		if c.mend == "fix" {
			_, rest, _ := strings.Cut(got, c.want)
			_, fix, _ := strings.Cut(rest, " -> ")
			fix, _, _ = strings.Cut(fix, "\n")
			c.mend, _, _ = strings.Cut(fix, " -- ")
		}
		if c.mend != "" {
			sourcetest.Exec(t, db, c.mend)
		}
	}
	if fine := probeText(t, set); strings.Contains(fine, "WRONG:") || strings.Contains(fine, "warning:") {
		t.Errorf("all is mended, and the findings are:\n%s", fine)
	}
}

func ofItems(o *Options) { o.Tables = []string{"items"} }

// TestProbeOfTables breaks one thing of a publication or a table after the other, and checks the finding and its fix.
func TestProbeOfTables(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL+`CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)`, "items", "parts")
	setServer(t, db, "max_slot_wal_keep_size", "1GB")
	set := func(o *Options) { o.Tables = []string{"items", "parts"} }
	create := published(t, "items", "parts").CreateSQL()
	runProbeCases(t, db, set, []probeCase{
		{"ALTER PUBLICATION gateway DROP TABLE items", `WRONG: the publication "gateway" lacks the table public.items -> gateway sql --mode wal --table public.items --apply`, create, nil},
		{"DROP PUBLICATION gateway", `WRONG: there is no publication "gateway" in this database -> gateway sql --mode wal --table public.items --table public.parts --apply`, create, nil},
		{"", `WRONG: there is no publication "an other" in this database -> gateway sql --mode wal --table TABLE --publication 'an other' --apply`, "", func(o *Options) { o.Publication = "an other" }},
		{"ALTER PUBLICATION gateway SET (publish = 'insert')", `WRONG: the publication "gateway" does not publish update, delete, truncate`, "fix", nil},
		{"ALTER PUBLICATION gateway SET (publish_via_partition_root = false)", `WRONG: the publication "gateway" publishes the partitions of public.parts, and not the table`, "fix", nil},
		{"ALTER TABLE items REPLICA IDENTITY NOTHING", "WRONG: UPDATE and DELETE of public.items fail: the table is published, and has no replica identity", "fix", nil},
		{"ALTER TABLE items REPLICA IDENTITY DEFAULT", "warning: the WAL has only the primary key of the old row of public.items: changes have no old row, and a DELETE has no other column", "fix", nil},
		{"ALTER TABLE items ADD n int NOT NULL DEFAULT 1; CREATE UNIQUE INDEX items_n ON items (n); ALTER TABLE items REPLICA IDENTITY USING INDEX items_n", "warning: the WAL has only the columns of an index of the old row of public.items", "fix", nil},
		{"DROP INDEX items_n; ALTER TABLE items DROP n; ALTER TABLE parts_1 REPLICA IDENTITY DEFAULT", "warning: the WAL has only the primary key of the old row of public.parts_1, a partition of public.parts,", "fix", nil},
		{"ALTER TABLE items DROP CONSTRAINT items_pkey", "warning: the table public.items has no primary key", "ALTER TABLE items ADD PRIMARY KEY (id)", nil},
		{"CREATE TYPE mood AS ENUM ('fine'); CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE sql IMMUTABLE AS 'SELECT ''1''::json'; CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood); ALTER TABLE items ADD m mood[]",
			"warning: the column m of public.items is text in events: the type ", "ALTER TABLE items DROP m; DROP TYPE mood CASCADE", nil},
		{"", "WRONG: there is no table public.nobody -> correct tables", "", func(o *Options) { o.Tables = []string{"nobody"} }},
		{"", "WRONG: public.parts_1 is a partition -> write the partitioned table instead", "", func(o *Options) { o.Tables = []string{"parts_1"} }},
		{"", "ok: all of public.parts is in the WAL", "", func(*Options) {}}, // all tables of the publication
	})
	var version int
	if err := db.QueryRow(testenv.Context(t), "SELECT current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		t.Fatal(err)
	}
	if version >= 15 {
		runProbeCases(t, db, set, []probeCase{
			{"ALTER PUBLICATION gateway SET TABLE ONLY items WHERE (id > 1), parts", `warning: the publication "gateway" has a row filter for public.items: changes of other rows are missing ((id > 1))`, "fix", nil},
			{"ALTER TABLE items ADD note text; ALTER PUBLICATION gateway SET TABLE ONLY items (id, v), parts", `WRONG: the publication "gateway" has a list of columns for public.items: its events lack note`, "fix", nil},
		})
	}
	generated := []probeCase{{"ALTER TABLE items ADD g int GENERATED ALWAYS AS (id + 1) STORED", "warning: the events of public.items lack its generated columns (g)", "ALTER TABLE items DROP g", nil}}
	if version >= 18 {
		generated = []probeCase{
			{"ALTER TABLE items ADD g int GENERATED ALWAYS AS (id + 1) STORED; ALTER PUBLICATION gateway SET (publish_generated_columns = none)", `warning: the publication "gateway" does not publish the generated columns of public.items (g)`, "fix", nil},
			{"ALTER TABLE items ADD v2 int GENERATED ALWAYS AS (id + 1) VIRTUAL", "warning: the events of public.items lack its virtual columns (v2)", "ALTER TABLE items DROP v2", nil},
		}
	}
	runProbeCases(t, db, set, generated)
}

// TestProbeOfSlots does the same for slots and positions.
func TestProbeOfSlots(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	setServer(t, db, "max_slot_wal_keep_size", "64MB")
	runProbeCases(t, db, ofItems, []probeCase{
		{"", "ok: the slot gateway is not read now, and the server keeps ", "SELECT pg_drop_replication_slot('gateway')", nil},
		{"", "ok: the source makes the slot gateway when it first starts", "", nil},
		{"INSERT INTO gateway.wal_reader (slot, commit) VALUES ('gateway', '0/1')", "warning: the slot gateway is missing, and a position is stored (0/1)", "", nil},
		{"SELECT pg_create_logical_replication_slot('gateway', 'pgoutput')", "warning: the slot gateway is ahead of the stored position 0/1", "DELETE FROM gateway.wal_reader; SELECT pg_drop_replication_slot('gateway')", nil},
		{"SELECT pg_create_physical_replication_slot('gateway')", `WRONG: the slot gateway is another program's: it has the plugin ""`, "SELECT pg_drop_replication_slot('gateway')", nil},
		{"SELECT pg_create_physical_replication_slot('idle', true)", "warning: nothing reads the slot idle, and the server keeps ", "SELECT pg_drop_replication_slot('idle')", nil},
		{"SELECT pg_create_logical_replication_slot('old', 'pgoutput'); INSERT INTO gateway.wal_reader (slot) VALUES ('old')", "of WAL for it -> start its gateway; if it is gone for good: gateway wal drop old", "SELECT pg_drop_replication_slot('old'); DELETE FROM gateway.wal_reader", nil},
	})
	for _, sql := range []string{"SELECT pg_create_logical_replication_slot('gateway', 'pgoutput')", "SELECT pg_switch_wal() FROM generate_series(1, 2)"} {
		sourcetest.Exec(t, db, sql)
	}
	setServer(t, db, "max_slot_wal_keep_size", "1MB")
	for range 5 {
		sourcetest.Exec(t, db, "SELECT pg_logical_emit_message(false, '', 'x')")
		sourcetest.Exec(t, db, "SELECT pg_switch_wal()")
	}
	sourcetest.Exec(t, db, "CHECKPOINT")
	if got := probeText(t, ofItems); !strings.Contains(got, "warning: the slot gateway is lost (lost") || !strings.Contains(got, "): the server has removed WAL that it needs; the source reports a gap, and makes a new slot") {
		t.Errorf("a lost slot:\n%s", got)
	}
}

// TestProbeOfServer does the same for the server, the role, and the table of the positions.
func TestProbeOfServer(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL+testenv.RoleSQL("reader"), "items")
	t.Cleanup(func() { kind.Remove(t, db); sourcetest.Exec(t, db, "DROP OWNED BY reader; DROP ROLE reader") })
	if got := probeText(t, ofItems); !strings.Contains(got, "warning: max_slot_wal_keep_size is -1, and max_lag is not set: while a sink or the gateway is away") {
		t.Errorf("without a bound:\n%s", got)
	}
	withLag := func(o *Options) { ofItems(o); o.MaxLag.Bytes = 1 << 30 }
	if got := probeText(t, withLag); !strings.Contains(got, "warning: max_slot_wal_keep_size is -1: max_lag bounds the WAL while the gateway runs, but while it is away") {
		t.Errorf("with max_lag:\n%s", got)
	}
	setServer(t, db, "max_slot_wal_keep_size", "1GB")
	create := published(t, "items").CreateSQL()
	asReader := func(setting string) func(o *Options) {
		return func(o *Options) {
			ofItems(o)
			o.URL = options.NewURL(testenv.RoleURL(t, "reader") + setting)
		}
	}
	runProbeCases(t, db, ofItems, []probeCase{
		{"", "warning: max_lag has no effect: beyond max_slot_wal_keep_size, 1GB, the server removes the WAL of the slot before that -> max_lag: {bytes: ...} below 1GB", "", withLag},
		{"ALTER TABLE gateway.wal_reader DROP spooled", "WRONG: the table gateway.wal_reader has no column spooled", "fix", nil},
		{"DROP TABLE gateway.wal_reader", "", "", nil},
		{"", "WRONG: there is no table gateway.wal_reader in this database, in which the position is stored -> gateway sql --mode wal --table public.items --apply", create, nil},
		{"ALTER TABLE gateway.wal_reader OWNER TO reader", `WRONG: gateway.wal_reader belongs to the role "reader"`, "ALTER TABLE gateway.wal_reader OWNER TO postgres", nil},
		{"", `WRONG: the WAL cannot be read: FATAL: `, "", asReader("")},
		{"", `-> ALTER ROLE "reader" REPLICATION -- as a superuser`, `ALTER ROLE "reader" REPLICATION`, asReader("")},
		{"", `ok: the role "reader" may read the WAL`, "", asReader("")},
		{"", `WRONG: the role "reader" may not store its position in gateway.wal_reader`, "fix", asReader("")},
		{"", `ok: the role "reader" may store its position`, "", asReader("")},
		{"", "WRONG: this session may only read: the position cannot be stored", "", asReader("&options=-c%20default_transaction_read_only%3Don")},
		{"", `WRONG: the role "reader" may not read the rows of public.items for a snapshot`, "fix", func(o *Options) { asReader("")(o); o.Snapshot = "initial" }},
		{"ALTER TABLE items ENABLE ROW LEVEL SECURITY", "WRONG: the rows of public.items cannot be read for a snapshot: row-level security could hide some", "ALTER TABLE items DISABLE ROW LEVEL SECURITY", func(o *Options) { asReader("")(o); o.Snapshot = "initial" }},
		{"", `warning: this role cannot see how long the transactions of others are open, which keep WAL`, "fix", asReader("")},
	})
	replica := testenv.StartPostgres(t, "-c", "wal_level=replica", "-c", "max_replication_slots=0", "-c", "max_wal_senders=0")
	got := probeText(t, func(o *Options) { o.URL = options.NewURL(replica.URL()) })
	for _, want := range []string{"WRONG: wal_level is replica: the WAL has changes of rows only with logical -> ALTER SYSTEM SET wal_level = logical", "WRONG: no slot is free: max_replication_slots is 0", "WRONG: max_wal_senders is 0"} {
		if !strings.Contains(got, want) {
			t.Errorf("without logical replication: want %s in\n%s", want, got)
		}
	}
}

// TestProbeBehindPoolers proves that a pooler that does not forward a replication connection is found.
func TestProbeBehindPoolers(t *testing.T) {
	kind.Reset(t, sourcetest.ItemsSQL, "items")
	for name, b := range map[string]testenv.Pgbouncer{"session": {Mode: "session"}, "ignoring": {Mode: "session", Ignore: "replication"}, "transaction": {Mode: "transaction"}} {
		url := testenv.StartPgbouncer(t, b).URL()
		got := probeText(t, func(o *Options) { ofItems(o); o.URL = options.NewURL(url) })
		if forwards := strings.Contains(got, "may read the WAL"); forwards && name != "transaction" { // from version 1.23 on
			continue
		}
		if !strings.Contains(got, "WRONG:") || !strings.Contains(got, "connect to PostgreSQL itself") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}
