package pgconn

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// A RowReader reads rows of tables which may belong to other roles, in a session of its own.
//
// Reading a row can run code of the table's owner: row_to_json calls casts of the columns'
// types, a domain has checks, and the planner evaluates functions in the expressions of
// indexes. PostgreSQL runs all of these with the rights of the role that reads. So:
//   - A superuser reads a table of another role with that role's rights, by a function that
//     this role owns (SECURITY DEFINER). It exists in one transaction only. SET ROLE would
//     not do: the code could RESET it.
//   - Any other role reads with its own rights, and only tables that belong to itself, to a
//     superuser, or to a role that the configuration trusts. The same holds for what else
//     brings code: partitions, types, and functions of indexes.
//   - The transaction is read-only and is rolled back, so that the code leaves nothing behind
//     that would run later, and no setting. What a rollback keeps, as prepared statements and
//     advisory locks, DISCARD ALL takes. The session runs nothing else, and uses no
//     statement by name, which the code could have prepared.
//
// Its methods are not safe for concurrent use.
type RowReader struct {
	Config *pgx.ConnConfig
	Owners []string // roles, beside the session's own and superusers, whose tables may be read
	// Timeout bounds each statement in the server.
	Timeout time.Duration

	conn *pgx.Conn
}

// lockTimeout bounds how long the lock of a table is waited for, which only ALTER TABLE and its
// like, or an owner who means ill, hold against a reader.
const lockTimeout = time.Second

// A Reading is a transaction in which rows of one table are read.
type Reading struct {
	reader *RowReader
	tx     pgx.Tx
	sql    string
}

// Begin opens a transaction for a query of one table, whose name is quoted, with its schema. The
// query has one parameter, args of the type text[], and three columns: text[], text, and
// boolean. All of its names must be qualified, but for those of pg_catalog. The session needs
// the privilege TEMPORARY on the database, which all roles have by default. snapshot is what
// pg_export_snapshot() has returned in another session, or "". Begin returns an error where
// the table's owner is not trusted.
func (r *RowReader) Begin(ctx context.Context, table, snapshot, sql string) (*Reading, error) {
	if r.conn == nil || r.conn.IsClosed() {
		config := r.Config.Copy()
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // no statement has a name
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return nil, Reason(err)
		}
		r.conn = conn
	}
	begin := "BEGIN ISOLATION LEVEL REPEATABLE READ; "
	if snapshot != "" {
		begin += "SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(snapshot, "'", "''") + "'; "
	}
	tx, err := r.conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin + fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; ", r.Timeout.Milliseconds(), lockTimeout.Milliseconds()) + SearchPath})
	if err != nil {
		r.Close()
		return nil, err
	}
	g := &Reading{reader: r, tx: tx, sql: sql}
	if err := g.restrict(ctx, table); err != nil {
		g.End(ctx)
		return nil, err
	}
	return g, nil
}

// rowOwner finds the owner of a table, the rights of this session, and the roles that are neither, nor
// superusers, and own something whose code runs when a row is read: a partition, the
// type of a column or of a part of it, or a function in the expression of an index.
const rowOwner = `WITH RECURSIVE types(oid) AS (
		SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
		UNION SELECT x.oid FROM types t JOIN pg_type y ON y.oid = t.oid CROSS JOIN LATERAL (
			SELECT y.typelem UNION ALL SELECT y.typbasetype UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = y.oid
			UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x(oid) WHERE x.oid <> 0)
	SELECT format('%I.%I', n.nspname, c.relname), o.rolname::text, o.rolsuper, me.rolname = o.rolname, me.rolsuper, me.rolname::text,
		ARRAY(SELECT DISTINCT r.rolname::text FROM (
			SELECT pc.relowner AS owner FROM pg_partition_tree(c.oid) p JOIN pg_class pc ON pc.oid = p.relid
			UNION ALL SELECT y.typowner FROM types t JOIN pg_type y ON y.oid = t.oid
			UNION ALL SELECT f.proowner FROM pg_index i JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_proc'::regclass
				JOIN pg_proc f ON f.oid = d.refobjid WHERE i.indrelid = c.oid) x JOIN pg_roles r ON r.oid = x.owner
			WHERE r.oid NOT IN (o.oid, me.oid) AND NOT r.rolsuper ORDER BY 1)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner, pg_roles me
	WHERE c.oid = $1 AND c.relkind IN ('r', 'p') AND me.rolname = session_user`

// MayRead returns why the rows of a table are not read: because of whom it belongs to. owners
// are those of [RowReader].
func MayRead(ctx context.Context, conn *pgx.Conn, table uint32, owners []string) error {
	return In(ctx, conn, func(tx pgx.Tx) error {
		_, err := readAs(ctx, tx, table, owners)
		return err
	})
}

// readAs returns the role with whose rights the rows of a table are read, "" for the session's
// own, and an error where they are not.
func readAs(ctx context.Context, tx pgx.Tx, table uint32, owners []string) (role string, err error) {
	var name, owner, me string
	var ownerSuper, own, super bool
	var others []string
	if err := tx.QueryRow(ctx, rowOwner, table).Scan(&name, &owner, &ownerSuper, &own, &super, &me, &others); err != nil {
		return "", fmt.Errorf("cannot find the owner of the table: %w", err)
	}
	trusted := func(role string) bool { return slices.Contains(owners, role) }
	if super && !own && !ownerSuper { // all that runs has the owner's rights
		return owner, nil
	}
	const hint = "could run code with the rights of %q; add the role to the option owners where you trust it"
	if !own && !ownerSuper && !trusted(owner) {
		return "", fmt.Errorf("the rows of %s are not read: its owner %q "+hint, name, owner, me)
	}
	if i := slices.IndexFunc(others, func(role string) bool { return !trusted(role) }); i >= 0 {
		return "", fmt.Errorf("the rows of %s are not read: the role %q, which owns a partition, a type or an index function of it, "+hint, name, others[i], me)
	}
	return "", nil
}

// oidBound is the first version with functions whose text was parsed when they were made, so that
// their names mean what they meant then.
const oidBound = 140000

// restrict takes rights away that the query does not need. The query becomes a function
// first, and the owner is that of the table which the function reads: another role may give
// the name to another table meanwhile. Before PostgreSQL 14 the table is locked, and found by
// its name twice.
func (g *Reading) restrict(ctx context.Context, table string) error {
	var version int
	if err := g.tx.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return err
	}
	const head = `CREATE FUNCTION pg_temp.gateway_read(args text[]) RETURNS TABLE (key text[], data text, mark boolean)
	LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off SET constraint_exclusion = off `
	find := `SELECT DISTINCT refobjid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = 'pg_temp.gateway_read(text[])'::regprocedure AND refclassid = 'pg_class'::regclass AND $1 <> ''`
	body := "BEGIN ATOMIC " + g.sql + "; END"
	if version < oidBound {
		tag := "$q" + strings.ToLower(rand.Text()) + "$" // cannot occur in the query
		body = "AS " + tag + g.sql + tag
		find = "SELECT to_regclass($1)::oid"
		if err := g.exec(ctx, "LOCK TABLE "+table+" IN ACCESS SHARE MODE"); err != nil {
			return err
		}
	}
	if err := g.exec(ctx, head+body); err != nil {
		return err
	}
	var oid uint32
	if err := g.tx.QueryRow(ctx, find, table).Scan(&oid); err != nil {
		return fmt.Errorf("cannot find the table %s: %w", table, err)
	}
	role, err := readAs(ctx, g.tx, oid, g.reader.Owners)
	if err == nil && role != "" {
		err = g.exec(ctx, "ALTER FUNCTION pg_temp.gateway_read(text[]) SECURITY DEFINER; ALTER FUNCTION pg_temp.gateway_read(text[]) OWNER TO "+pgx.Identifier{role}.Sanitize())
	}
	if err != nil {
		return err
	}
	return g.exec(ctx, "SET TRANSACTION READ ONLY; SET LOCAL row_security = off")
}

func (g *Reading) exec(ctx context.Context, sql string) error {
	_, err := g.tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// A ReadRow is one row of the answer.
type ReadRow struct {
	Key  []string
	Data []byte
	Mark bool
}

// Query runs the query. It may be called several times.
func (g *Reading) Query(ctx context.Context, args []string) ([]ReadRow, error) {
	rows, err := g.tx.Query(ctx, "SELECT key, data, mark FROM pg_temp.gateway_read($1)", pgtype.FlatArray[string](args))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (one ReadRow, err error) {
		return one, row.Scan(&one.Key, &one.Data, &one.Mark)
	})
}

// End ends the transaction, and takes away what it has left in the session. A session that
// does not answer is ended by another one, because its code may catch a cancellation: the
// next Begin opens a new session.
func (g *Reading) End(ctx context.Context) {
	err := g.tx.Rollback(ctx)
	if err == nil {
		_, err = g.reader.conn.Exec(ctx, "DISCARD ALL", pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		g.reader.kill()
	}
}

// kill closes the session, and has the server end it.
func (r *RowReader) kill() {
	pid := r.conn.PgConn().PID()
	r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), ConnectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, r.Config)
	if err != nil { // the server is away, or has ended it
		return
	}
	defer Close(conn)
	_, _ = conn.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND query LIKE '%gateway_read%'`, int32(pid)) // it may have ended
}

// Close closes the session.
func (r *RowReader) Close() {
	if r.conn != nil {
		Close(r.conn)
		r.conn = nil
	}
}
