package lookup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// database is one session, which is opened on demand, and again after it was lost.
type database struct {
	config      *pgconn.SessionConfig
	sql         string
	settingsSQL string // a statement that applies the settings of the transaction
	conn        *pgx.Conn
	described   bool // conn knows the types of the query
}

var (
	quotedText   = regexp.MustCompile(`'(?:[^']|''')*'|"(?:[^"]|"")*"|--[^\n]*|(?s:/\*.*?\*/)`)
	parameterRef = regexp.MustCompile(`\$([1-9][0-9]{0,4})`)
)

// parameters returns the highest N of a $N in a query, outside of texts and comments.
func parameters(query string) (highest int) {
	for _, m := range parameterRef.FindAllStringSubmatch(quotedText.ReplaceAllString(query, " "), -1) {
		n, _ := strconv.Atoi(m[1]) // digits always parse
		highest = max(highest, n)
	}
	return highest
}

// rowQuery returns a query that converts each row to a JSON object, with all digits as the server prints
// them. In a subquery, a statement that changes data is a syntax error.
func rowQuery(query string) string {
	query = strings.TrimRight(query, "; \t\r\n")
	return "SELECT pg_catalog.to_json(row)::pg_catalog.text FROM (" + query + "\n) AS row LIMIT 2" // the line ends a comment
}

// settingsSQL returns a statement with the settings of the URL, and the row settings of postgres-outbox that it does not have,
// except for the search path.
func settingsSQL(config *pgconn.SessionConfig) string {
	rest := slices.DeleteFunc(slices.Clone(pgconn.RowSettings), func(s pgconn.Setting) bool {
		return s.Name == "search_path" || slices.ContainsFunc(config.Settings, func(of pgconn.Setting) bool { return of.Name == s.Name })
	})
	return pgconn.SetSQL(append(rest, config.Settings...), true)
}

// findRow returns the row, or nil if there is none.
func (d *database) findRow(ctx context.Context, params []any) ([]byte, error) {
	reused := d.conn != nil
	row, err := d.query(ctx, params)
	if err != nil && reused && d.conn == nil && ctx.Err() == nil { // the server has closed it since the last event
		row, err = d.query(ctx, params)
	}
	return row, err
}

// query runs the query once. It closes a session that is not usable any more.
//
// The query runs in a read-only transaction that is rolled back, in one round trip: it may run
// code of the tables' owners, which must leave nothing behind, and no setting. The session uses
// no statement by name, which that code could have prepared (see build).
func (d *database) query(ctx context.Context, params []any) ([]byte, error) {
	if d.conn == nil {
		conn, err := pgx.ConnectConfig(ctx, d.config.ConnConfig) // the settings are the transaction's
		if err != nil {
			return nil, d.wrapError(err)
		}
		d.conn, d.described = conn, false
	}
	rows, err := d.runQuery(ctx, params)
	if d.described = err == nil; err == nil {
		switch {
		case len(rows) > 1:
			return nil, plugin.Permanent(errors.New("the query finds more than one row: add LIMIT 1, or a condition that finds one"))
		case len(rows) == 1:
			return rows[0], nil
		default:
			return nil, nil
		}
	}
	var refused *pg.PgError
	if errors.As(err, &refused) {
		_, _ = d.conn.Exec(ctx, "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()") // the server has skipped these; err is the cause
	}
	if refused == nil || d.conn.IsClosed() {
		_ = d.conn.Close(ctx) // err is the cause
		d.conn = nil
	}
	if errors.Is(err, context.DeadlineExceeded) { // the query of this event may be slow, while the server is available
		err = errors.New(pgconn.Summarize(err).Error())
	}
	return nil, d.wrapError(err)
}

// runQuery returns the rows of the query. pgx describes a new query before it sends a batch. With settings in the URL, on which
// the meaning of its names may depend, the transaction must be open by then.
func (d *database) runQuery(ctx context.Context, params []any) (found [][]byte, err error) {
	var batch pgx.Batch
	if len(d.config.Settings) > 0 && !d.described {
		if err := d.begin(ctx, d.conn); err != nil {
			return nil, err
		}
	} else {
		batch.Queue("BEGIN READ ONLY")
		batch.Queue(d.settingsSQL)
	}
	batch.Queue(d.sql, params...).Query(func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, pgx.RowTo[[]byte])
		return err
	})
	batch.Queue("ROLLBACK")
	batch.Queue("SELECT pg_catalog.pg_advisory_unlock_all()") // a rollback keeps these locks
	return found, d.conn.SendBatch(ctx, &batch).Close()
}

// begin opens a transaction with the settings.
func (d *database) begin(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.PgConn().Exec(ctx, "BEGIN READ ONLY; "+d.settingsSQL).ReadAll()
	return err
}

func (d *database) wrapError(err error) error {
	return fmt.Errorf("the database %s:%d/%s: %w", d.config.Host, d.config.Port, d.config.Database, pgconn.Summarize(err))
}

func (d *database) close(ctx context.Context) error {
	if d.conn == nil {
		return nil
	}
	conn := d.conn
	d.conn = nil
	return conn.Close(ctx)
}

// Probe is part of [plugin.Prober]: the query is prepared, not run.
func (t *transform) Probe(ctx context.Context) []plugin.Finding {
	conn, err := pgx.ConnectConfig(ctx, t.db.config.ConnConfig)
	if err != nil {
		return []plugin.Finding{{Level: plugin.Problem, Text: t.db.wrapError(err).Error(), Fix: "check that url names a running server, and a user who may log in"}}
	}
	defer func() { _ = conn.Close(ctx) }()
	inTransaction := len(t.db.config.Settings) > 0
	if inTransaction {
		err = t.db.begin(ctx, conn)
	}
	if err == nil {
		_, err = conn.Prepare(ctx, "", t.db.sql)
	}
	if inTransaction {
		_, _ = conn.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol) // err is the cause
	}
	if err != nil {
		return []plugin.Finding{{Level: plugin.Problem, Text: t.db.wrapError(err).Error(), Fix: "correct the query, or GRANT SELECT on what it reads"}}
	}
	findings := []plugin.Finding{{Text: "the query can be run"}}
	var super bool
	if err := conn.QueryRow(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = session_user").Scan(&super); err == nil && super {
		findings = append(findings, plugin.Finding{
			Level: plugin.Warning, Text: "the role is a superuser, with whose rights code of the tables' owners runs: casts to json, policies, functions in indexes",
			Fix: "CREATE ROLE lookup LOGIN; GRANT SELECT ON the tables TO lookup, and log in as this role",
		})
	}
	return findings
}
