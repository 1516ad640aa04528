package pgconn

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// A Reading is a transaction that reads rows of a table which may belong to another role.
//
// Reading a row can run code of the table's owner: row_to_json calls casts of the columns'
// types, a domain has checks, and the planner evaluates functions in the expressions of
// indexes. PostgreSQL runs all of these with the rights of the role that reads. So:
//   - A superuser reads a table of another role with that role's rights, by a function that
//     this role owns (SECURITY DEFINER). It exists in this transaction only. SET ROLE would
//     not do: the code could RESET it.
//   - Any other role reads with its own rights, and only tables that belong to itself, to a
//     superuser, or to a role that the configuration trusts.
//   - The transaction is read-only and is rolled back, so that the code leaves nothing behind
//     that would run later, and no setting.
type Reading struct {
	tx  pgx.Tx
	sql string
}

// ForeignTable is a table whose rows are read.
type ForeignTable struct {
	Name   string   // quoted, with its schema: "shop"."orders"
	Owners []string // roles, beside the session's own and superusers, whose tables may be read
}

// rowOwner finds the owner of a table, and the rights of this session.
const rowOwner = `SELECT o.rolname::text, o.rolsuper, me.rolname = o.rolname, me.rolsuper, me.rolname::text FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner, pg_roles me
	WHERE c.oid = to_regclass($1) AND me.rolname = session_user`

// BeginReading opens a transaction for a query of a table. The query has one parameter, $1 of
// the type text[], and three columns: text[], text, and boolean. All of its names must be
// qualified, but for those of pg_catalog. It returns an error where the table's owner is not
// trusted.
func BeginReading(ctx context.Context, conn *pgx.Conn, t ForeignTable, sql string) (*Reading, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL REPEATABLE READ; " + SearchPath})
	if err != nil {
		return nil, err
	}
	r := &Reading{tx: tx, sql: sql}
	if err := r.restrict(ctx, t); err != nil {
		_ = r.End(ctx) // the first error tells more
		return nil, err
	}
	return r, nil
}

// restrict takes rights away that the query does not need.
func (r *Reading) restrict(ctx context.Context, t ForeignTable) error {
	var owner, me string
	var ownerSuper, own, super bool
	if err := r.tx.QueryRow(ctx, rowOwner, t.Name).Scan(&owner, &ownerSuper, &own, &super, &me); err != nil {
		return fmt.Errorf("cannot find the owner of %s: %w", t.Name, err)
	}
	switch {
	case own || ownerSuper || !super && slices.Contains(t.Owners, owner):
	case !super:
		return fmt.Errorf("the rows of %s are not read: its owner %q could run code with the rights of %q; add the owner to the option owners where you trust it", t.Name, owner, me)
	default:
		if err := r.exec(ctx, asOwner(owner, r.sql)); err != nil {
			return err
		}
		r.sql = "SELECT * FROM pg_temp.gateway_read($1)"
	}
	return r.exec(ctx, "SET TRANSACTION READ ONLY; SET LOCAL row_security = off")
}

// asOwner returns the statements that make the function which runs a query with the rights
// of a role. The tag of the quotes cannot occur in the query, because it is random.
func asOwner(owner, sql string) string {
	tag := "$q" + strings.ToLower(rand.Text()) + "$"
	return `CREATE FUNCTION pg_temp.gateway_read(args text[]) RETURNS TABLE (key text[], data text, mark boolean)
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off AS ` + tag + sql + tag + `;
	ALTER FUNCTION pg_temp.gateway_read(text[]) OWNER TO ` + pgx.Identifier{owner}.Sanitize()
}

func (r *Reading) exec(ctx context.Context, sql string) error {
	_, err := r.tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// A ReadRow is one row of the answer.
type ReadRow struct {
	Key  []string
	Data []byte
	Mark bool
}

// Query runs the query. It may be called several times.
func (r *Reading) Query(ctx context.Context, args []string) ([]ReadRow, error) {
	rows, err := r.tx.Query(ctx, r.sql, pgtype.FlatArray[string](args))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (one ReadRow, err error) {
		return one, row.Scan(&one.Key, &one.Data, &one.Mark)
	})
}

// End ends the transaction.
func (r *Reading) End(ctx context.Context) error { return r.tx.Rollback(ctx) }
