package pgtrigger_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

// walTables are a table, a partitioned one, and one whose name needs quotes. A table inherits from the first.
const walTables = shopTables + `DROP PUBLICATION IF EXISTS gateway; DROP PUBLICATION IF EXISTS others;
	CREATE TABLE heirs () INHERITS (orders);
	CREATE TABLE shop.parts (id int, part int, note text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
	CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES IN (1) PARTITION BY LIST (id); CREATE TABLE shop.parts_1_2 PARTITION OF shop.parts_1 FOR VALUES IN (2);
	CREATE TABLE shop.parts_3 PARTITION OF shop.parts FOR VALUES IN (3);`

var (
	ordersTable = pgtrigger.Table{Schema: "public", Name: "orders"}
	itemsTable  = pgtrigger.Table{Schema: "shop", Name: "Order Items"}
	partsTable  = pgtrigger.Table{Schema: "shop", Name: "parts"}
	allWAL      = pgtrigger.WAL{Tables: []pgtrigger.Table{ordersTable, itemsTable, partsTable}, Publication: "gateway"}
)

const (
	publishedQuery  = `SELECT coalesce(string_agg(format('%s %I.%I', pubname, schemaname, tablename), '; ' ORDER BY 1, schemaname, tablename), '') FROM pg_publication_tables`
	identitiesQuery = `SELECT string_agg(oid::regclass || ' ' || relreplident::text, '; ' ORDER BY oid::regclass::text) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'shop'::regnamespace)`
)

// requireError executes SQL, and returns its error, which must contain want.
func requireError(t *testing.T, db *pgx.Conn, sql, want string) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestWALCreate proves that the tables are published with their old rows, that nothing is written when the SQL is carried
// out again, and that writes of published tables work.
func TestWALCreate(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, walTables+allWAL.CreateSQL())
	if got, want := text(t, db, publishedQuery), `gateway public.orders; gateway shop."Order Items"; gateway shop.parts`; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
	if got, want := text(t, db, identitiesQuery), `heirs d; orders f; shop."Order Items" f; shop.parts f; shop.parts_1 f; shop.parts_1_2 f; shop.parts_3 f`; got != want {
		t.Errorf("identities %s, want %s", got, want)
	}
	if got := text(t, db, `SELECT pubviaroot::text || pubinsert || pubupdate || pubdelete || pubtruncate FROM pg_publication`); got != "truetruetruetruetrue" {
		t.Errorf("the publication has %s", got)
	}
	exec(t, db, "BEGIN;"+allWAL.CreateSQL())
	if got := text(t, db, "SELECT coalesce(pg_current_xact_id_if_assigned()::text, 'nothing')"); got != "nothing" {
		t.Errorf("the second time it wrote in the transaction %s", got)
	}
	exec(t, db, `COMMIT; INSERT INTO orders VALUES (1, 'a'); UPDATE orders SET note = 'b'; DELETE FROM orders; TRUNCATE orders;
		INSERT INTO shop.parts VALUES (2, 1), (4, 3); UPDATE shop.parts SET note = 'b'; DELETE FROM shop.parts; INSERT INTO heirs VALUES (1); UPDATE heirs SET note = 'b'`)

	key := allWAL
	key.KeyIdentity = true
	exec(t, db, key.CreateSQL())
	if got, want := text(t, db, identitiesQuery), `heirs d; orders d; shop."Order Items" d; shop.parts d; shop.parts_1 d; shop.parts_1_2 d; shop.parts_3 d`; got != want {
		t.Errorf("identities %s, want %s", got, want)
	}
	exec(t, db, `INSERT INTO orders VALUES (1, 'a'); UPDATE orders SET note = 'b'; DELETE FROM orders; INSERT INTO shop.parts VALUES (2, 1); UPDATE shop.parts SET note = 'b'; DELETE FROM shop.parts`)

	exec(t, db, `DROP PUBLICATION gateway; CREATE PUBLICATION gateway FOR ALL TABLES WITH (publish_via_partition_root = true)`)
	exec(t, db, allWAL.CreateSQL()) // all are in it
	if got := text(t, db, "SELECT count(*)::text FROM pg_publication_rel"); got != "0" {
		t.Errorf("%s tables were added", got)
	}
	requireError(t, db, allWAL.DropSQL(), "the publication gateway has all tables")
}

// TestWALRefuses proves that the SQL fails where changes would be lost: for such tables, publications and servers.
func TestWALRefuses(t *testing.T) {
	db := testenv.Connect(t)
	of := func(schema, name string) pgtrigger.WAL {
		return pgtrigger.WAL{Tables: []pgtrigger.Table{{Schema: schema, Name: name}}, Publication: "others"}
	}
	exec(t, db, walTables+`CREATE TABLE keyless (id int); CREATE TABLE late (id int PRIMARY KEY DEFERRABLE)`)
	requireError(t, db, of("public", "nobody").CreateSQL(), `there is no table "public"."nobody"`)
	requireError(t, db, of("public", "keyless").CreateSQL(), `the table "public"."keyless" has no primary key`)
	requireError(t, db, of("shop", "parts_3").CreateSQL(), `"shop"."parts_3" is a partition: write the table that it is a part of`)
	late := of("public", "late")
	late.KeyIdentity = true
	requireError(t, db, late.CreateSQL(), `the primary key of "public"."late" is deferrable`)
	late.KeyIdentity = false
	exec(t, db, late.CreateSQL())
	exec(t, db, `INSERT INTO late VALUES (1); UPDATE late SET id = 2; DELETE FROM late`)
	exec(t, db, `DROP PUBLICATION others; CREATE PUBLICATION others WITH (publish = 'insert, truncate')`)
	requireError(t, db, of("public", "orders").CreateSQL(), "the publication others does not publish all operations")
	exec(t, db, `DROP PUBLICATION others; CREATE PUBLICATION others`)
	exec(t, db, of("public", "orders").CreateSQL())
	requireError(t, db, of("shop", "parts").CreateSQL(), "the publication others publishes partitions, and not their table")
	exec(t, db, testenv.RoleSQL("mallory")+`ALTER SCHEMA gateway OWNER TO mallory`)
	requireError(t, db, of("public", "orders").CreateSQL(), `the schema gateway belongs to the role "mallory", and not to "postgres"`)
	exec(t, db, `DROP PUBLICATION others; DROP OWNED BY mallory CASCADE; DROP ROLE mallory`)

	server := testenv.StartPostgres(t, "-c", "wal_level=replica")
	replica := testenv.ConnectURL(t, server.URL())
	exec(t, replica, shopTables)
	requireError(t, replica, of("public", "orders").CreateSQL(), "wal_level is replica, and the WAL has changes of rows only with logical")
	if got := text(t, replica, "SELECT count(*)::text FROM pg_publication"); got != "0" {
		t.Errorf("%s publications were made", got)
	}
}

// TestWALDrop proves that tables leave the publication, which goes with the last one, and that remaining slots are named.
func TestWALDrop(t *testing.T) {
	var notices []string
	config, err := pgx.ParseConfig(testenv.Postgres(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pg.PgConn, n *pg.Notice) { notices = append(notices, n.Message) }
	db, err := pgx.ConnectConfig(testenv.Context(t), config)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(testenv.Context(t))
	exec(t, db, walTables)
	exec(t, db, allWAL.CreateSQL())
	exec(t, db, pgtrigger.SlotSQL("wal_drop_test"))
	notices = nil
	exec(t, db, pgtrigger.WAL{Tables: allWAL.Tables[:1], Publication: "gateway"}.DropSQL())
	if got, want := text(t, db, publishedQuery), `gateway shop."Order Items"; gateway shop.parts`; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
	if got := strings.Join(notices, "\n"); !strings.Contains(got, `the table "public"."orders" keeps REPLICA IDENTITY FULL`) || !strings.Contains(got, "the slot wal_drop_test remains, and keeps WAL while nothing reads it: gateway wal drop wal_drop_test") {
		t.Errorf("notices: %s", got)
	}
	for range 2 {
		exec(t, db, allWAL.DropSQL())
		if got := text(t, db, `SELECT count(*)::text FROM pg_publication`); got != "0" {
			t.Errorf("%s publications remain", got)
		}
	}
	exec(t, db, "SELECT pg_drop_replication_slot('wal_drop_test')")
}

// TestWALSlot proves that a slot is made once, and that another program's is refused.
func TestWALSlot(t *testing.T) {
	db := testenv.Connect(t)
	for range 2 {
		exec(t, db, pgtrigger.SlotSQL("wal_slot_test"))
	}
	if got := text(t, db, "SELECT slot_type || ' ' || plugin || ' ' || database || ' ' || temporary FROM pg_replication_slots WHERE slot_name = 'wal_slot_test'"); got != "logical pgoutput postgres false" {
		t.Errorf("the slot is %s", got)
	}
	exec(t, db, "SELECT pg_drop_replication_slot('wal_slot_test'); SELECT pg_create_physical_replication_slot('wal_slot_test')")
	requireError(t, db, pgtrigger.SlotSQL("wal_slot_test"), "the slot wal_slot_test exists, and is not one of pgoutput in this database")
	exec(t, db, "SELECT pg_drop_replication_slot('wal_slot_test')")
}

// TestWALLeastRights proves that the owner of the tables may publish them, and that the role of --role may make a slot, store a
// position, lead, and remove the slot, and nothing more.
func TestWALLeastRights(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, walTables+testenv.RoleSQL("owner")+testenv.RoleSQL("reader"))
	testenv.RevokePublic(t)
	exec(t, db, `GRANT CONNECT, CREATE ON DATABASE postgres TO owner; DROP SCHEMA shop CASCADE`)
	owner := testenv.ConnectAs(t, "owner")
	shop := pgtrigger.WAL{Tables: []pgtrigger.Table{{Schema: "shop", Name: "orders"}}, Publication: "gateway"}
	exec(t, owner, `CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, note text)`)
	for range 2 {
		exec(t, owner, shop.CreateSQL())
		sql, err := pgtrigger.RoleSQL("wal", "reader", shop.Tables)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, sql)
	}
	requireError(t, owner, pgtrigger.SlotSQL("rights"), "SQLSTATE 42501")
	reader := testenv.ConnectAs(t, "reader")
	exec(t, reader, pgtrigger.SlotSQL("rights"))
	exec(t, reader, `INSERT INTO gateway.wal_reader (slot) VALUES ('rights'); UPDATE gateway.wal_reader SET token = token + 1; SELECT * FROM gateway.wal_reader, gateway.leader, shop.orders;
		SELECT pg_logical_emit_message(true, 'gateway', ''); SELECT pg_export_snapshot(); SELECT system_identifier FROM pg_control_system(); CREATE TEMPORARY TABLE x ()`)
	for _, sql := range []string{"DELETE FROM gateway.wal_reader", "DROP TABLE gateway.wal_reader", "INSERT INTO shop.orders VALUES (1)"} {
		if _, err := reader.Exec(testenv.Context(t), sql); err == nil {
			t.Errorf("the reader may %s", sql)
		}
	}
	exec(t, reader, "SELECT pg_drop_replication_slot('rights')")
	exec(t, owner, shop.DropSQL())
	exec(t, db, `DROP SCHEMA shop CASCADE; DROP SCHEMA gateway CASCADE; DROP OWNED BY owner, reader; DROP ROLE owner, reader`)
}

// TestWALRunsNoCodeOfOthers proves that a superuser who publishes a table runs no code of its owner.
func TestWALRunsNoCodeOfOthers(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, walTables+testenv.RoleSQL("mallory")+`CREATE SCHEMA mallory AUTHORIZATION mallory;
		SET ROLE mallory; CREATE TABLE mallory.ran (who text);
		CREATE FUNCTION mallory.note() RETURNS void LANGUAGE sql AS 'INSERT INTO mallory.ran VALUES (current_user)';
		CREATE FUNCTION mallory.f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM mallory.note(); RETURN 0; END';
		CREATE TABLE mallory.t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part); CREATE INDEX ON mallory.t ((id + mallory.f(1)));
		CREATE TABLE mallory.t1 PARTITION OF mallory.t FOR VALUES IN (1); ALTER TABLE mallory.t1 ADD CHECK (id + mallory.f(1) >= 0); DELETE FROM mallory.ran; RESET ROLE`)
	w := pgtrigger.WAL{Tables: []pgtrigger.Table{{Schema: "mallory", Name: "t"}}, Publication: "gateway"}
	exec(t, db, w.CreateSQL())
	exec(t, db, w.DropSQL())
	if got := text(t, db, `SELECT count(*) FROM mallory.ran WHERE who <> 'mallory'`); got != "0" {
		t.Errorf("it ran %s times", got)
	}
	exec(t, db, `DROP OWNED BY mallory CASCADE; DROP ROLE mallory`)
}
