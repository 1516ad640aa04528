package pgconn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// rowOwnersSQL finds the owner of the table $1, the rights of this session, and all other roles that own
// code which may run when a row is read or the query is planned, except for superusers. This is
// code of partitions, and of all types, functions and operators on which these depend: the table, its
// partitions, their indexes and statistics, and the function $2 that reads it.
const rowOwnersSQL = `WITH RECURSIVE rels(oid) AS (
		SELECT relid::oid FROM pg_partition_tree($1::oid::regclass) UNION SELECT $1::oid),
	objects(class, oid) AS (
		SELECT 'pg_class'::regclass, oid FROM rels
		UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i JOIN rels ON i.indrelid = rels.oid
		UNION ALL SELECT 'pg_statistic_ext'::regclass, e.oid FROM pg_statistic_ext e JOIN rels ON e.stxrelid = rels.oid
		UNION ALL SELECT 'pg_proc'::regclass, $2::oid),
	needs(class, oid) AS (
		SELECT d.refclassid, d.refobjid FROM pg_depend d JOIN objects o ON d.classid = o.class AND d.objid = o.oid
		WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)),
	types(oid) AS (
		SELECT a.atttypid FROM pg_attribute a JOIN rels ON a.attrelid = rels.oid WHERE a.attnum > 0 AND NOT a.attisdropped
		UNION SELECT n.oid FROM needs n WHERE n.class = 'pg_type'::regclass
		UNION SELECT x.oid FROM types t JOIN pg_type y ON y.oid = t.oid CROSS JOIN LATERAL (
			SELECT y.typelem UNION ALL SELECT y.typbasetype UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = y.oid MULTIRANGES
			UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x(oid) WHERE x.oid <> 0)
	SELECT format('%I.%I', n.nspname, c.relname), o.rolname::text, o.rolsuper, me.rolname = o.rolname, me.rolsuper, me.rolname::text,
		ARRAY(SELECT DISTINCT r.rolname::text FROM (
			SELECT pc.relowner AS owner FROM rels JOIN pg_class pc ON pc.oid = rels.oid
			UNION ALL SELECT y.typowner FROM types t JOIN pg_type y ON y.oid = t.oid
			UNION ALL SELECT f.proowner FROM needs x JOIN pg_proc f ON f.oid = x.oid WHERE x.class = 'pg_proc'::regclass
			UNION ALL SELECT unnest(ARRAY[p.oprowner, f.proowner]) FROM needs x JOIN pg_operator p ON p.oid = x.oid LEFT JOIN pg_proc f ON f.oid = p.oprcode WHERE x.class = 'pg_operator'::regclass
			) x JOIN pg_roles r ON r.oid = x.owner
			WHERE r.oid NOT IN (o.oid, me.oid) AND NOT r.rolsuper ORDER BY 1)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner, pg_roles me
	WHERE c.oid = $1 AND c.relkind IN ('r', 'p') AND me.rolname = session_user`

// multirangesSQL finds the parts of a multirange type; before PostgreSQL 14 there are none.
const multirangesSQL = "UNION ALL SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = y.oid"

// HidesRowsSQL is an SQL expression that is true if row-level security could hide rows of a table c from
// [RowReader], whose query fails then. A superuser reads with the rights of the table's owner.
const HidesRowsSQL = `(row_security_active(c.oid) OR c.relrowsecurity AND c.relforcerowsecurity AND (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
	AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE oid = c.relowner))`

// BypassRowSecuritySQL returns the statement after which row-level security hides no rows from conn's user.
func BypassRowSecuritySQL(conn *pgx.Conn) string {
	return "ALTER ROLE " + pgx.Identifier{conn.Config().User}.Sanitize() + " BYPASSRLS -- as a superuser; where a superuser reads, for the table's owner"
}

// CheckRowsReadable returns an error if the rows of a table are not read because an owner is not trusted.
// owners is as in [RowReader].
func CheckRowsReadable(ctx context.Context, conn *pgx.Conn, table uint32, owners []string) error {
	return InTx(ctx, conn, func(tx pgx.Tx) error {
		version, err := serverVersion(ctx, tx)
		if err == nil {
			_, err = roleForReading(ctx, tx, version, table, 0, owners, false)
		}
		return err
	})
}

// CheckOwnersTrusted returns an error if code of a role that is not trusted could run with the rights of this session where it
// reads a table. Unlike [CheckRowsReadable] it also does so for a superuser. owners is as in [RowReader].
func CheckOwnersTrusted(ctx context.Context, tx pgx.Tx, table uint32, owners []string) error {
	version, err := serverVersion(ctx, tx)
	if err == nil {
		_, err = roleForReading(ctx, tx, version, table, 0, owners, true)
	}
	return err
}

// serverVersion returns the version of the server. It also disables JIT for the transaction: to compile rowOwnersSQL takes seconds.
func serverVersion(ctx context.Context, tx pgx.Tx) (version int, err error) {
	err = tx.QueryRow(ctx, "SELECT current_setting('server_version_num')::int FROM (SELECT set_config('jit', 'off', true)) s").Scan(&version)
	return version, err
}

// roleForReading returns the role with whose rights a function reads the rows of a table, "" for the
// session's own. It returns an error if an owner is not trusted. function is 0 if there is none yet. With ownRights
// there will be none, and a superuser reads with its own rights, too.
func roleForReading(ctx context.Context, tx pgx.Tx, version int, table, function uint32, owners []string, ownRights bool) (role string, err error) {
	sql := strings.Replace(rowOwnersSQL, "MULTIRANGES", "", 1)
	if version >= oidBound {
		sql = strings.Replace(rowOwnersSQL, "MULTIRANGES", multirangesSQL, 1)
	}
	var name, owner, self string
	var ownerSuper, isOwner, superuser bool
	var others []string
	if err := tx.QueryRow(ctx, sql, table, function).Scan(&name, &owner, &ownerSuper, &isOwner, &superuser, &self, &others); err != nil {
		return "", fmt.Errorf("cannot find the owner of the table: %w", err)
	}
	trusted := func(role string) bool { return slices.Contains(owners, role) }
	if superuser && !isOwner && !ownerSuper && !ownRights { // all code runs with the owner's rights
		return owner, nil
	}
	const hint = "could run code with the rights of %q; add the role to the option owners if you trust it"
	if !isOwner && !ownerSuper && !trusted(owner) {
		return "", fmt.Errorf("the rows of %s are not read: its owner %q "+hint, name, owner, self)
	}
	if i := slices.IndexFunc(others, func(role string) bool { return !trusted(role) }); i >= 0 {
		return "", fmt.Errorf("the rows of %s are not read: the role %q, which owns a partition, a type, a function or an operator of it, "+hint, name, others[i], self)
	}
	return "", nil
}
