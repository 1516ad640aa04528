package pgconn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// A RowReader reads rows of tables that may belong to other roles, in a session of its own with [RowSettings].
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
//     that would run later, and no setting. DISCARD ALL removes what a rollback keeps, such as
//     prepared statements and advisory locks. The session runs nothing else, and uses no
//     named statement, which the code could have prepared.
//
// Its methods are not safe for concurrent use.
type RowReader struct {
	Config *SessionConfig
	Owners []string // roles, beside the session's own and superusers, whose tables may be read
	// Timeout bounds each statement in the server. The transfer of rows may take longer: it only
	// ends if the server sends nothing for this time.
	Timeout time.Duration

	conn *pgx.Conn
	pid  uint32 // of the server's process that serves conn; behind a pooler it differs from that of conn
}

// lockTimeout bounds the wait for the lock of a table. Only statements such as ALTER TABLE, or a
// hostile owner, block a reader.
const lockTimeout = time.Second

// BuildQuery returns the query of a [RowTx] for the primary key of its table. partitioned says whether the
// table is partitioned.
type BuildQuery func(key []KeyColumn, partitioned bool) (sql string, err error)

// A RowTx is a transaction that reads rows of one table.
type RowTx struct {
	reader *RowReader
	tx     pgx.Tx
	table  uint32
}

// Table returns the OID of the table.
func (g *RowTx) Table() uint32 { return g.table }

// TxSnapshot returns the pg_snapshot in which the transaction reads, as text. Call it before Run: afterwards, code of the table's
// owner may have changed the session.
func (g *RowTx) TxSnapshot(ctx context.Context) (text string, err error) {
	ctx, cancel := g.reader.withQueryTimeout(ctx)
	defer cancel()
	err = g.tx.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&text)
	return text, err
}

// Begin opens a transaction for a query of one table, whose name is quoted, with its schema. makeQuery
// makes the query from the table's primary key, as it is in this transaction. The query has one
// parameter, args of the type text[], and three columns: text[], text, and boolean. All of its
// names must be qualified, but for those of pg_catalog. The session needs the privilege
// TEMPORARY on the database, which all roles have by default. snapshot is what
// pg_export_snapshot() has returned in another session, or "". Begin returns an error where
// the table's owner is not trusted.
func (r *RowReader) Begin(ctx context.Context, table, snapshot string, makeQuery BuildQuery) (*RowTx, error) {
	ctx, cancel := r.withQueryTimeout(ctx)
	defer cancel()
	begin := "BEGIN ISOLATION LEVEL REPEATABLE READ; "
	if snapshot != "" {
		begin += "SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(snapshot, "'", "''") + "'; "
	}
	begin += fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; ", r.Timeout.Milliseconds(), lockTimeout.Milliseconds())
	tx, err := r.beginTx(ctx, begin+SetSQL(RowSettings, true))
	if err != nil {
		return nil, err
	}
	g := &RowTx{reader: r, tx: tx}
	if err := g.prepareFunction(ctx, table, makeQuery); err != nil {
		g.End(ctx)
		return nil, err
	}
	return g, nil
}

// beginTx opens a transaction, in a new session if there is none, or if the server has ended it, as after idle_session_timeout.
func (r *RowReader) beginTx(ctx context.Context, begin string) (pgx.Tx, error) {
	for {
		isNew := r.conn == nil || r.conn.IsClosed()
		if isNew {
			if err := r.connect(ctx); err != nil {
				return nil, err
			}
		}
		tx, err := r.conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
		if err == nil {
			return tx, nil
		}
		ended := r.conn.IsClosed()
		if r.Close(); isNew || !ended || ctx.Err() != nil {
			return nil, err
		}
	}
}

func (r *RowReader) connect(ctx context.Context) error {
	config := r.Config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // no statement has a name
	conn, err := Connect(ctx, config)
	if err != nil {
		return Summarize(err)
	}
	r.conn = conn
	if r.pid, err = askPID(ctx, conn, ""); err != nil {
		r.Close()
		return Summarize(err)
	}
	return nil
}

// oidBound is the first version with functions whose text was parsed when they were made, so that
// their names mean what they meant then.
const oidBound = 140000

// ErrChanged means that a table was renamed, rewritten or truncated, or got another key, after the snapshot was taken in which its
// rows are read.
var ErrChanged = errors.New("the table has just been renamed, rewritten or truncated, or got another primary key: try again")

// prepareFunction removes rights that the query does not need. It locks the table, and creates a function
// of the query, in which names are resolved to OIDs. Another role may have given these names to other
// tables and types meanwhile. So the function must read the table whose key the query was
// built for, and the owners are checked of all that the function reads and calls.
// Before PostgreSQL 14 the names are resolved once more when the function runs.
func (g *RowTx) prepareFunction(ctx context.Context, table string, makeQuery BuildQuery) error {
	version, err := serverVersion(ctx, g.tx)
	if err != nil {
		return err
	}
	if err := g.exec(ctx, "LOCK TABLE ONLY "+table+" IN ACCESS SHARE MODE"); err != nil {
		return err
	}
	var read, function uint32
	var partitioned, renamed bool
	if err := g.tx.QueryRow(ctx, `SELECT c.oid, c.relkind = 'p', parse_ident($1) <> ARRAY[n.nspname, c.relname]::text[]
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`, table).Scan(&g.table, &partitioned, &renamed); err != nil {
		return fmt.Errorf("cannot find the table %s: %w", table, err)
	}
	if renamed {
		return ErrChanged
	}
	key, err := PrimaryKey(ctx, g.tx, g.table)
	if err != nil {
		return err
	}
	sql, err := makeQuery(key, partitioned)
	if err != nil {
		return err
	}
	const head = `CREATE FUNCTION pg_temp.gateway_read(args text[]) RETURNS TABLE (key text[], data text, mark boolean)
	LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off SET constraint_exclusion = off `
	find := `SELECT DISTINCT d.refobjid, d.objid FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = 'pg_temp.gateway_read(text[])'::regprocedure AND d.refclassid = 'pg_class'::regclass AND $1 <> ''`
	body := "BEGIN ATOMIC " + sql + "; END"
	if version < oidBound {
		tag := "$q" + strings.ToLower(rand.Text()) + "$" // cannot occur in the query
		body = "AS " + tag + sql + tag
		find = "SELECT to_regclass($1)::oid, 'pg_temp.gateway_read(text[])'::regprocedure::oid"
	}
	if err := g.exec(ctx, head+body); err != nil {
		return err
	}
	if g.transcoded() {
		if err := g.exec(ctx, ReadableTextSQL); err != nil {
			return err
		}
	}
	if err := g.tx.QueryRow(ctx, find, table).Scan(&read, &function); err != nil {
		return fmt.Errorf("cannot find what is read of %s: %w", table, err)
	}
	if read != g.table {
		return ErrChanged
	}
	role, err := roleForReading(ctx, g.tx, version, g.table, function, g.reader.Owners, false)
	if err == nil && role != "" {
		err = g.exec(ctx, "ALTER FUNCTION pg_temp.gateway_read(text[]) SECURITY DEFINER; ALTER FUNCTION pg_temp.gateway_read(text[]) OWNER TO "+pgx.Identifier{role}.Sanitize())
	}
	if err != nil {
		return err
	}
	return g.exec(ctx, "SET TRANSACTION READ ONLY; SET LOCAL row_security = off")
}

// transcoded reports whether the server converts text from the encoding of the database.
func (g *RowTx) transcoded() bool {
	encoding := g.reader.conn.PgConn().ParameterStatus("server_encoding")
	return encoding != "" && encoding != "UTF8"
}

func (g *RowTx) exec(ctx context.Context, sql string) error {
	_, err := g.tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// A Row is one row of the result: its key, its text as JSON, and the flag of the query.
type Row struct {
	Key  []string
	Data []byte
	Flag bool
}

// withQueryTimeout bounds the time in which code of other roles may run.
func (r *RowReader) withQueryTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.Timeout+time.Second)
}

// runCursorSQL runs the query to its end, and keeps the result in the server. From then on no
// code of other roles runs, and the transfer may take as long as the link needs. By the cursor's name
// [RowReader.terminate] identifies the session.
//
// In a snapshot that is older than a rewrite of the table, as by ALTER TABLE, the table has no rows. So the files of the table
// and of its partitions must be those of the snapshot. By now all of them are locked. The code may have changed the
// search path, so all names are qualified.
const runCursorSQL = `MOVE FORWARD 1 FROM gateway_read_rows;
	SELECT EXISTS (SELECT FROM (SELECT '%[1]d'::pg_catalog.oid AS oid UNION ALL SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree('%[1]d'::pg_catalog.regclass) p) t
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid WHERE c.relfilenode OPERATOR(pg_catalog.<>) pg_catalog.pg_relation_filenode(c.oid));
	SET LOCAL statement_timeout = 0; MOVE ABSOLUTE 0 FROM gateway_read_rows`

// Run runs the query. The server keeps the result for Rows. Call it once. It returns [ErrChanged] if the table was rewritten or
// truncated after the snapshot was taken.
func (g *RowTx) Run(ctx context.Context, args []string) error {
	ctx, cancel := g.reader.withQueryTimeout(ctx)
	defer cancel()
	data := "data"
	if g.transcoded() {
		data = "pg_temp.gateway_text(data)"
	}
	if _, err := g.tx.Exec(ctx, "DECLARE gateway_read_rows SCROLL CURSOR FOR SELECT key, "+data+", mark FROM pg_temp.gateway_read($1)", pgtype.FlatArray[string](args)); err != nil {
		return err
	}
	results, err := g.tx.Conn().PgConn().Exec(ctx, fmt.Sprintf(runCursorSQL, g.table)).ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 4 || len(results[1].Rows) != 1 || string(results[1].Rows[0][0]) != "f" {
		return ErrChanged
	}
	return nil
}

// Rows returns the result of Run. It takes as long as the link needs, while the server sends bytes. It returns no more
// rows once their text has maxBytes bytes, but at least one; 0 is no bound.
func (g *RowTx) Rows(ctx context.Context, maxBytes int) (found []Row, err error) {
	ctx, cancel := WithSilenceTimeout(ctx, g.reader.conn, g.reader.Timeout+time.Second)
	defer cancel()
	rows, err := g.tx.Query(ctx, "FETCH ALL FROM gateway_read_rows")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for bytes := 0; (maxBytes == 0 || bytes < maxBytes) && rows.Next(); {
		var one Row
		if err := rows.Scan(&one.Key, &one.Data, &one.Flag); err != nil {
			return nil, err
		}
		found = append(found, one)
		bytes += len(one.Data)
	}
	rows.Close()
	return found, rows.Err()
}

// End ends the transaction, and removes what it has left in the session. If the session does not answer,
// another one terminates it, because its code may catch a cancellation. The next Begin opens a new one.
func (g *RowTx) End(ctx context.Context) {
	ctx, cancel := g.reader.withQueryTimeout(ctx)
	defer cancel()
	err := g.tx.Rollback(ctx)
	if err == nil {
		_, err = g.reader.conn.Exec(ctx, "DISCARD ALL", pgx.QueryExecModeSimpleProtocol)
	}
	if err == nil {
		err = g.reader.Config.applySettings(ctx, g.reader.conn)
	}
	if err != nil {
		g.reader.terminate()
	}
}

// terminate closes the session, and asks the server to end it.
func (r *RowReader) terminate() {
	r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), ConnectTimeout)
	defer cancel()
	conn, err := Connect(ctx, r.Config)
	if err != nil { // the server is unavailable, or has ended it
		return
	}
	defer Close(conn)
	_, _ = conn.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND query LIKE '%gateway_read%'`, int32(r.pid)) // it may have ended
}

// Close closes the session.
func (r *RowReader) Close() {
	if r.conn != nil {
		Close(r.conn)
		r.conn = nil
	}
}
