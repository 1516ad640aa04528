package pgtrigger

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed wal.sql
var walSQL string

// WAL describes the publication of tables whose changes the source postgres-wal reads from the write-ahead log.
type WAL struct {
	Tables      []Table
	Publication string // its name; not quoted
	// KeyIdentity sets REPLICA IDENTITY DEFAULT: the WAL has only the primary key of the old row. Otherwise it is FULL: the whole row.
	KeyIdentity bool
}

// CreateSQL returns the statements that make the table of the readers' positions, the table of leaders and the
// publication, and add the tables to it. They change nothing when they are carried out again. They fail where another
// role owns the schema gateway or a part of it. They must be carried out in one transaction, by the owner of the tables.
func (w WAL) CreateSQL() string {
	var b strings.Builder
	b.WriteString(strings.Replace(walSQL, "OWNER_CHECK\n", ownerSQL, 1))
	b.WriteString(leaseSQL + ownerSQL)
	for _, t := range w.Tables {
		b.WriteString("\n" + doSQL("BEGIN\n"+tableCheckSQL(t)+"END") + w.identitySQL(t))
	}
	b.WriteString("\n" + w.publicationSQL())
	for _, t := range w.Tables {
		b.WriteString(w.addSQL(t))
	}
	return b.String()
}

// tableCheckSQL returns statements of PL/pgSQL that fail unless the table exists, has a primary key, and is no partition.
func tableCheckSQL(t Table) string {
	return fmt.Sprintf(`  IF to_regclass(%[1]s) IS NULL THEN
    RAISE EXCEPTION 'there is no table %%', %[1]s;
  ELSIF (SELECT relispartition FROM pg_class WHERE oid = to_regclass(%[1]s)) THEN
    RAISE EXCEPTION '%% is a partition: write the table that it is a part of', %[1]s;
  ELSIF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(%[1]s) AND indisprimary) THEN
    RAISE EXCEPTION 'the table %% has no primary key: its rows could not be told apart', %[1]s
      USING HINT = 'ALTER TABLE ... ADD PRIMARY KEY (...)';
  END IF;
`, literal(t.String()))
}

// identitySQL returns the statement that sets the replica identity of the table, and of its partitions, which do not
// inherit it. It precedes the publication: a published table without an identity refuses UPDATE and DELETE.
func (w WAL) identitySQL(t Table) string {
	comment := `-- REPLICA IDENTITY FULL writes the whole old row of each UPDATE and DELETE into the WAL. Updates of wide rows
-- write about twice as much WAL. Without it (--identity default) a change has no old row, and a DELETE has the primary
-- key only. A value of more than about 2 kB that an UPDATE leaves as it is must then be read from the table.
`
	check, identity, letter := "", "FULL", "f"
	if w.KeyIdentity {
		comment = "-- The WAL has the primary key of the old row only: a change has no old row, and a DELETE no other column.\n"
		check = fmt.Sprintf(`  IF NOT (SELECT indimmediate FROM pg_index WHERE indrelid = to_regclass(%[1]s) AND indisprimary) THEN
    RAISE EXCEPTION 'the primary key of %% is deferrable, so that UPDATE and DELETE of a published row would fail', %[1]s
      USING HINT = 'Choose --identity full.';
  END IF;
`, literal(t.String()))
		identity, letter = "DEFAULT", "d"
	}
	return comment + doSQL(fmt.Sprintf(`DECLARE
  part text;
BEGIN
%[1]s  FOR part IN SELECT format('%%I.%%I', n.nspname, c.relname) FROM (SELECT relid::oid FROM pg_partition_tree(to_regclass(%[2]s)) UNION SELECT to_regclass(%[2]s)::oid) t(oid)
      JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relreplident <> '%[4]s' ORDER BY 1
  LOOP
    EXECUTE format('ALTER TABLE ONLY %%s REPLICA IDENTITY %[3]s', part);
  END LOOP;
END`, check, literal(t.String()), identity, letter))
}

// publicationSQL returns the statement that makes the publication, or fails where the one of this name publishes less.
func (w WAL) publicationSQL() string {
	return doSQL(fmt.Sprintf(`DECLARE
  existing pg_publication;
BEGIN
  SELECT * INTO existing FROM pg_publication WHERE pubname = %[1]s;
  IF NOT FOUND AND current_setting('server_version_num')::int >= 180000 THEN
    EXECUTE 'CREATE PUBLICATION ' || quote_ident(%[1]s) || ' WITH (publish_via_partition_root = true, publish_generated_columns = stored)';
  ELSIF NOT FOUND THEN
    EXECUTE 'CREATE PUBLICATION ' || quote_ident(%[1]s) || ' WITH (publish_via_partition_root = true)'; -- changes of partitions are those of their table
  ELSIF NOT (existing.pubinsert AND existing.pubupdate AND existing.pubdelete AND existing.pubtruncate) THEN
    RAISE EXCEPTION 'the publication %% does not publish all operations', existing.pubname
      USING HINT = format('ALTER PUBLICATION %%I SET (publish = ''insert, update, delete, truncate''), or, where others use it, choose another one by --publication.', existing.pubname);
  ELSIF NOT existing.pubviaroot AND EXISTS (SELECT FROM pg_class WHERE relkind = 'p' AND oid = ANY (%[2]s)) THEN
    RAISE EXCEPTION 'the publication %% publishes partitions, and not their table', existing.pubname
      USING HINT = format('ALTER PUBLICATION %%I SET (publish_via_partition_root = true), or, where others use it, choose another one by --publication.', existing.pubname);
  END IF;
END`, literal(w.Publication), w.oidsSQL()))
}

// oidsSQL returns an expression for the array of the tables' OIDs.
func (w WAL) oidsSQL() string {
	oids := []string{}
	for _, t := range w.Tables {
		oids = append(oids, "to_regclass("+literal(t.String())+")::oid")
	}
	return "ARRAY[" + strings.Join(oids, ", ") + "]::oid[]"
}

// listedSQL returns a condition: the publication lists the table itself.
func (w WAL) listedSQL(t Table) string {
	return fmt.Sprintf("EXISTS (SELECT FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid WHERE p.pubname = %s AND r.prrelid = to_regclass(%s))", literal(w.Publication), literal(t.String()))
}

// coveredSQL returns a condition: the publication has the table, also if that is because it has all tables, or all of a schema.
func (w WAL) coveredSQL(t Table) string {
	return fmt.Sprintf("EXISTS (SELECT FROM pg_publication_tables WHERE pubname = %s AND schemaname = %s AND tablename = %s)", literal(w.Publication), literal(t.Schema), literal(t.Name))
}

// addSQL returns the statement that adds a table to the publication. Tables that inherit from it are tables of their own.
func (w WAL) addSQL(t Table) string {
	return doSQL(fmt.Sprintf(`BEGIN
  IF NOT (%s OR %s) THEN
    ALTER PUBLICATION %s ADD TABLE ONLY %s;
  END IF;
END`, w.listedSQL(t), w.coveredSQL(t), w.name(), t))
}

// name returns the publication's name, quoted.
func (w WAL) name() string { return pgx.Identifier{w.Publication}.Sanitize() }

// DropSQL returns the statements that remove the tables from the publication, and the publication itself if it is then
// empty. The slots and the positions stay, and notices name the slots. The statements must be carried out in one transaction.
func (w WAL) DropSQL() string {
	var b strings.Builder
	b.WriteString("SET LOCAL search_path = pg_catalog, pg_temp;\n" + lockTimeoutSQL)
	for _, t := range w.Tables {
		b.WriteString(doSQL(fmt.Sprintf(`BEGIN
  IF %[1]s THEN
    ALTER PUBLICATION %[3]s DROP TABLE ONLY %[4]s;
  ELSIF %[2]s THEN
    RAISE EXCEPTION 'the publication %% has all tables, or all of the schema, and cannot lose %%', %[5]s, %[6]s
      USING HINT = 'List the other tables in the option tables of the source.';
  END IF;
  IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(%[6]s) AND relreplident = 'f') THEN
    RAISE NOTICE 'the table %% keeps REPLICA IDENTITY FULL; where nothing else needs it: ALTER TABLE %% REPLICA IDENTITY DEFAULT', %[6]s, %[6]s;
  END IF;
END`, w.listedSQL(t), w.coveredSQL(t), w.name(), t, literal(w.Publication), literal(t.String()))))
	}
	b.WriteString(doSQL(fmt.Sprintf(`DECLARE
  schemas bigint := 0; -- that it has all tables of, from PostgreSQL 15
  remaining text;
BEGIN
  IF to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL THEN
    EXECUTE 'SELECT count(*) FROM pg_publication_namespace n JOIN pg_publication p ON p.oid = n.pnpubid WHERE p.pubname = $1' INTO schemas USING %[1]s;
  END IF;
  IF schemas = 0 AND EXISTS (SELECT FROM pg_publication p WHERE p.pubname = %[1]s AND NOT p.puballtables AND NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid)) THEN
    DROP PUBLICATION %[2]s;
  END IF;
  FOR remaining IN SELECT slot_name FROM pg_replication_slots WHERE plugin = 'pgoutput' AND database = current_database() AND NOT temporary ORDER BY 1 LOOP
    RAISE NOTICE 'the slot %% remains, and keeps WAL while nothing reads it: gateway wal drop %%', remaining, remaining;
  END LOOP;
END`, literal(w.Publication), w.name())))
	return b.String()
}

// SlotSQL returns the statement that makes a slot, if there is none of this name. It must be carried out alone, after
// [WAL.CreateSQL] is committed, because the server cannot decode a change that is older than the publication.
func SlotSQL(name string) string {
	return `-- The slot keeps all WAL from now on, until the source postgres-wal reads it. Start the source soon. This
-- statement waits for transactions that are open.
` + doSQL(fmt.Sprintf(`BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %[1]s AND (plugin IS DISTINCT FROM 'pgoutput' OR database IS DISTINCT FROM current_database())) THEN
    RAISE EXCEPTION 'the slot %% exists, and is not one of pgoutput in this database', %[1]s
      USING HINT = 'Choose another name by --slot.';
  ELSIF NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %[1]s) THEN
    PERFORM pg_create_logical_replication_slot(%[1]s, 'pgoutput');
  END IF;
END`, literal(name)))
}
