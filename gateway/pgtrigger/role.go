package pgtrigger

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// RoleSQL returns the statements that make a role and grant it the least rights that a source of
// the mode needs: to capture tables, to lead, and to read rows. In the mode notify rows over
// 7,999 bytes are read; in the mode outbox only those of a snapshot; in the mode wal also rows with
// values that an UPDATE did not write.
func RoleSQL(mode, role string, tables []Table) (string, error) {
	name := pgx.Identifier{role}.Sanitize()
	var b strings.Builder
	b.WriteString("SET LOCAL search_path = pg_catalog, pg_temp;\n")
	if len(role) > maxName {
		return "", fmt.Errorf("--role: a name has 1 to %d bytes", maxName)
	}
	b.WriteString(doSQL(fmt.Sprintf("BEGIN\n  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s) THEN\n    CREATE ROLE %s LOGIN; -- set its password with \\password in psql\n  END IF;\nEND", literal(role), name)))
	database := func(privilege string) { // all roles have it, unless it was revoked from PUBLIC
		b.WriteString(doSQL(fmt.Sprintf("BEGIN\n  IF NOT has_database_privilege(%s, current_database(), '%[2]s') THEN\n    EXECUTE format('GRANT %[2]s ON DATABASE %%I TO %%I', current_database(), %[1]s);\n  END IF;\nEND", literal(role), privilege)))
	}
	database("CONNECT")
	if len(tables) > 0 {
		database("TEMPORARY") // rows are read by a temporary function
	}
	grant := func(what string) { fmt.Fprintf(&b, "GRANT %s TO %s;\n", what, name) }
	lead := func() {
		b.WriteString("-- to lead, where several gateways stand by for each other\n")
		grant("USAGE ON SCHEMA gateway")
		grant("SELECT, INSERT, UPDATE ON gateway.leader")
	}
	switch mode {
	case "notify":
		b.WriteString("-- LISTEN needs no right\n")
		if len(tables) > 0 {
			b.WriteString("-- to fetch rows that are too large for a notification\n")
		}
	case "outbox":
		b.WriteString("-- to read the outbox, to delete what was delivered, and to keep the cursor\n")
		grant("USAGE ON SCHEMA gateway")
		grant("SELECT, DELETE ON gateway.outbox")
		grant("SELECT ON SEQUENCE gateway.outbox_id_seq")
		grant("SELECT, INSERT, UPDATE ON gateway.outbox_reader")
		grant("SELECT, DELETE ON gateway.outbox_detached")
		lead()
		if len(tables) > 0 {
			b.WriteString("-- for snapshot: initial only\n")
		}
	case "wal":
		b.WriteString("-- to read the WAL, and to make and remove slots. Only a superuser may give this attribute, or from PostgreSQL 16 a role\n" +
			"-- that has it and CREATEROLE. Hosted servers have a role for it: GRANT rds_replication TO ...\n")
		b.WriteString(doSQL(fmt.Sprintf("BEGIN\n  IF NOT (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = %s) THEN\n    ALTER ROLE %s REPLICATION;\n  END IF;\nEND", literal(role), name)))
		b.WriteString("-- to store the position\n")
		grant("USAGE ON SCHEMA gateway")
		grant("SELECT, INSERT, UPDATE ON gateway.wal_reader")
		lead()
		if len(tables) > 0 {
			b.WriteString("-- for snapshot: initial, and to read values that an UPDATE did not write\n")
		}
	case "leader":
		lead()
		return b.String(), nil
	default:
		return "", unknownMode(mode)
	}
	for _, t := range tables {
		grant("USAGE ON SCHEMA " + pgx.Identifier{t.Schema}.Sanitize())
		grant("SELECT ON " + t.String())
	}
	return b.String(), nil
}
