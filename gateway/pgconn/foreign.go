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
//     superuser, or to a role that the configuration trusts. The same holds for the
//     partitions of a table.
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

// Begin opens a transaction for a query of a table, whose name is quoted, with its schema. The
// query has one parameter, $1 of the type text[], and three columns: text[], text, and boolean. All
// of its names must be qualified, but for those of pg_catalog. snapshot is what
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

// rowOwner finds the owner of a table, the rights of this session, and an owner of a partition
// who is neither that owner nor a superuser.
const rowOwner = `SELECT o.rolname::text, o.rolsuper, me.rolname = o.rolname, me.rolsuper, me.rolname::text,
	ARRAY(SELECT DISTINCT po.rolname::text FROM pg_partition_tree(c.oid) p JOIN pg_class pc ON pc.oid = p.relid JOIN pg_roles po ON po.oid = pc.relowner WHERE po.oid <> o.oid AND NOT po.rolsuper)
	FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner, pg_roles me
	WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p') AND me.rolname = session_user`

// MayRead returns why the rows of a table are not read: because of whom it belongs to. The
// table's name is quoted, with its schema; owners are those of [RowReader].
func MayRead(ctx context.Context, conn *pgx.Conn, table string, owners []string) error {
	return In(ctx, conn, func(tx pgx.Tx) error {
		_, err := readAs(ctx, tx, table, owners)
		return err
	})
}

// readAs returns the role with whose rights the rows of a table are read, "" for the session's
// own, and an error where they are not.
func readAs(ctx context.Context, tx pgx.Tx, table string, owners []string) (role string, err error) {
	var owner, me string
	var ownerSuper, own, super bool
	var others []string
	if err := tx.QueryRow(ctx, rowOwner, table).Scan(&owner, &ownerSuper, &own, &super, &me, &others); err != nil {
		return "", fmt.Errorf("cannot find the owner of %s: %w", table, err)
	}
	trusted := func(role string) bool { return role == me || slices.Contains(owners, role) }
	if i := slices.IndexFunc(others, func(role string) bool { return !trusted(role) }); i >= 0 {
		return "", fmt.Errorf("the rows of %s are not read: the owner %q of a partition could run code with the rights of %q; add the owner to the option owners where you trust it", table, others[i], me)
	}
	switch {
	case own || ownerSuper || !super && trusted(owner):
		return "", nil
	case super:
		return owner, nil
	}
	return "", fmt.Errorf("the rows of %s are not read: its owner %q could run code with the rights of %q; add the owner to the option owners where you trust it", table, owner, me)
}

// restrict takes rights away that the query does not need. The table is locked first, so that
// no other table takes its name.
func (g *Reading) restrict(ctx context.Context, table string) error {
	if err := g.exec(ctx, "LOCK TABLE "+table+" IN ACCESS SHARE MODE"); err != nil {
		return err
	}
	role, err := readAs(ctx, g.tx, table, g.reader.Owners)
	if err == nil && role != "" {
		err = g.exec(ctx, asOwner(role, g.sql))
		g.sql = "SELECT * FROM pg_temp.gateway_read($1)"
	}
	if err != nil {
		return err
	}
	return g.exec(ctx, "SET TRANSACTION READ ONLY; SET LOCAL row_security = off")
}

// asOwner returns the statements that make the function which runs a query with the rights
// of a role. The tag of the quotes cannot occur in the query, because it is random.
func asOwner(owner, sql string) string {
	tag := "$q" + strings.ToLower(rand.Text()) + "$"
	return `CREATE FUNCTION pg_temp.gateway_read(args text[]) RETURNS TABLE (key text[], data text, mark boolean)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off AS ` + tag + sql + tag + `;
	ALTER FUNCTION pg_temp.gateway_read(text[]) OWNER TO ` + pgx.Identifier{owner}.Sanitize()
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
	rows, err := g.tx.Query(ctx, g.sql, pgtype.FlatArray[string](args))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (one ReadRow, err error) {
		return one, row.Scan(&one.Key, &one.Data, &one.Mark)
	})
}

// End ends the transaction, and takes away what it has left in the session. A session that
// does not answer is closed: the next Begin opens another one.
func (g *Reading) End(ctx context.Context) {
	err := g.tx.Rollback(ctx)
	if err == nil {
		_, err = g.reader.conn.Exec(ctx, "DISCARD ALL", pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		g.reader.Close()
	}
}

// Close closes the session.
func (r *RowReader) Close() {
	if r.conn != nil {
		Close(r.conn)
		r.conn = nil
	}
}
