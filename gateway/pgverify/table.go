package pgverify

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
)

// table is the table that is compared. Its rows are read by a [pgconn.RowReader], and their keys are chosen by a condition in
// the session that holds the snapshot.
type table struct {
	name  pgtrigger.Table
	oid   uint32
	query pgconn.KeyQuery

	conn     *pgx.Conn
	tx       pgx.Tx // nil after endSnapshot
	snapshot string // of tx
	reader   pgconn.RowReader
	pageRows int // of the next page
}

// tableSQL finds a table.
const tableSQL = `SELECT c.oid, c.relkind = 'p', c.relispartition FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') AND n.nspname = $1 AND c.relname = $2`

// openTable finds a table, by name as users write it, at the server of an open connection, which close closes.
func openTable(ctx context.Context, conn *pgx.Conn, url options.URL, name string, owners []string) (*table, error) {
	config, err := pgconn.PrimaryConfig(url, "verify")
	if err != nil {
		return nil, fmt.Errorf("the URL of the database %w", err)
	}
	t := &table{conn: conn, pageRows: firstPageRows, reader: pgconn.RowReader{Config: config, Owners: owners, Timeout: pageTimeout}}
	if t.name, err = pgtrigger.ParseTable(name); err != nil {
		return nil, fmt.Errorf("--table: %w", err)
	}
	partition := false
	err = pgconn.InTx(ctx, conn, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, tableSQL, t.name.Schema, t.name.Name).Scan(&t.oid, &t.query.Partitioned, &partition)
		if err != nil {
			return err
		}
		t.query.Table = t.name.String()
		t.query.Key, err = pgconn.PrimaryKey(ctx, tx, t.oid)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("there is no table %s", t.name.Qualified())
	case err != nil:
		return nil, fmt.Errorf("cannot find the table %s: %w", t.name.Qualified(), err)
	case partition:
		return nil, fmt.Errorf("%s is a partition: name the partitioned table instead", t.name.Qualified())
	case len(t.query.Key) == 0:
		return nil, fmt.Errorf("%s has no primary key, by which rows are compared: create one", t.name.Qualified())
	}
	return t, nil
}

func (t *table) close() {
	t.reader.Close()
	pgconn.Close(t.conn)
}

// beginSnapshot begins the snapshot in which the table is read. It is open until endSnapshot, and holds back vacuum so long. With a
// condition of the user it returns an error if code of a role that is not trusted could run with this session's rights.
func (t *table) beginSnapshot(ctx context.Context, hasCondition bool) (err error) {
	begin := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off; " +
		pgconn.SetSQL(pgconn.RowSettings, true)
	if hasCondition {
		begin += fmt.Sprintf("; SET LOCAL lock_timeout = '5s'; LOCK TABLE ONLY %s IN ACCESS SHARE MODE", t.query.Table)
	}
	if t.tx, err = t.conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin}); err != nil {
		return err
	}
	if hasCondition {
		if err := pgconn.CheckOwnersTrusted(ctx, t.tx, t.oid, t.reader.Owners); err != nil {
			return err
		}
	}
	if err := t.tx.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&t.snapshot); err != nil {
		return fmt.Errorf("cannot export the snapshot of the transaction: %w", err)
	}
	if hasCondition {
		_, err = t.tx.Exec(ctx, "SET LOCAL search_path TO DEFAULT", pgx.QueryExecModeSimpleProtocol)
	}
	return err
}

func (t *table) endSnapshot(ctx context.Context) error {
	err := t.tx.Rollback(ctx)
	t.tx, t.snapshot = nil, ""
	return err
}

// keysPage is the number of keys that are chosen at once.
const keysPage = 5000

// keysWhere calls f with the keys of all rows that meet a condition, in their order.
func (t *table) keysWhere(ctx context.Context, where string, f func(keys [][]string) error) error {
	var after []string
	for {
		args := []any{keysPage}
		if after != nil {
			args = append(args, after)
		}
		keys, err := t.selectKeys(ctx, t.query.NextKeysSQL(t.alias(), where, after != nil), args...)
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := f(keys); err != nil {
			return err
		}
		after = keys[len(keys)-1]
	}
}

// randomKeys returns the keys of up to n random rows that meet a condition, if it is not "".
func (t *table) randomKeys(ctx context.Context, where string, n int) ([][]string, error) {
	if where != "" {
		return t.selectKeys(ctx, t.query.RandomKeysWhereSQL(t.alias(), where), n)
	}
	t.reader.Timeout = scanTimeout
	defer func() { t.reader.Timeout = pageTimeout }()
	rows, _, err := t.read(ctx, t.snapshot, pgconn.KeyQuery.RandomKeysSQL, []string{fmt.Sprint(n)}, 0)
	keys := make([][]string, len(rows))
	for i, row := range rows {
		keys[i] = row.Key
	}
	return keys, err
}

// alias is the name of the table in a condition.
func (t *table) alias() string { return pgx.Identifier{t.name.Name}.Sanitize() }

func (t *table) selectKeys(ctx context.Context, sql string, args ...any) ([][]string, error) {
	rows, err := t.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot find rows: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		return nil, fmt.Errorf("cannot find rows: %w", err)
	}
	return keys, nil
}
