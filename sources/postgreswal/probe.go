package postgreswal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// minServerVersion is PostgreSQL 14, the oldest version that was tested.
const minServerVersion = 140000

// Probe is part of [plugin.Prober].
func (s *source) Probe(ctx context.Context) []plugin.Finding {
	conn, first := pgconn.Probe(ctx, s.conn, s.opts.URL)
	if conn == nil {
		return []plugin.Finding{first}
	}
	defer pgconn.Close(conn)
	p := &probe{ctx: ctx, s: s, conn: conn, findings: []plugin.Finding{first, pgconn.ProbeSession(ctx, conn, s.conn.ConnConfig)}}
	if p.findings[1].Level == plugin.Problem {
		return p.findings
	}
	if err := execStatement(ctx, conn, pgconn.SetSQL(settings, false)); err != nil {
		p.add(plugin.Problem, "", "%v", err)
		return p.findings
	}
	p.writable()
	if !p.version() {
		return p.findings
	}
	p.replication(p.walLevel())
	p.retention()
	installed := p.installed()
	if pub := p.publication(); pub != nil {
		p.tables(pub)
	}
	p.slots(installed)
	p.transactions()
	p.spool()
	return p.findings
}

// probe checks one database, and collects findings.
type probe struct {
	ctx      context.Context
	s        *source
	conn     *pgx.Conn
	number   int // server_version_num
	findings []plugin.Finding
}

func (p *probe) ok(format string, args ...any) {
	p.findings = append(p.findings, plugin.Finding{Text: fmt.Sprintf(format, args...)})
}

func (p *probe) add(level plugin.Level, fix, format string, args ...any) {
	p.findings = append(p.findings, plugin.Finding{Level: level, Text: fmt.Sprintf(format, args...), Fix: fix})
}

// cannotTell adds a warning for a check that was not possible.
func (p *probe) cannotTell(what string, err error) {
	p.add(plugin.Warning, "", "cannot tell %s: %v", what, pgconn.Summarize(err))
}

// row queries one row, and reports whether that succeeded. what is what the query finds out.
func (p *probe) row(what, sql string, args []any, to ...any) bool {
	err := p.conn.QueryRow(p.ctx, sql, args...).Scan(to...)
	if err != nil {
		p.cannotTell(what, err)
	}
	return err == nil
}

// user returns the role, quoted.
func (p *probe) user() string { return quoteIdentifier(p.conn.Config().User) }

// sqlCommand returns the command that installs what the source needs for tables, whose names are qualified.
func (p *probe) sqlCommand(tables ...string) string {
	command := "gateway sql --mode wal"
	for _, t := range tables {
		command += " --table " + pgtrigger.ShellArg(pgtrigger.QuoteQualified(t))
	}
	if len(tables) == 0 {
		command += " --table TABLE"
	}
	if p.s.opts.Publication != "gateway" {
		command += " --publication " + pgtrigger.ShellArg(p.s.opts.Publication)
	}
	return command + " --apply"
}

func (p *probe) version() bool {
	if !p.row("the version of the server", "SELECT current_setting('server_version_num')::int", nil, &p.number) {
		return false
	}
	if p.number < minServerVersion {
		p.add(plugin.Problem, "upgrade the server", "the server is version %d: postgres-wal needs PostgreSQL 14", p.number/10000)
		return false
	}
	return true
}

// writable checks that the session may write.
func (p *probe) writable() {
	var readOnly string
	if p.row("whether the session may write", "SELECT current_setting('transaction_read_only')", nil, &readOnly) && readOnly == "on" {
		p.add(plugin.Problem, fmt.Sprintf("ALTER ROLE %s SET default_transaction_read_only = off -- or where else that is set: in url, for the database, for the server", p.user()),
			"this session may only read: the position cannot be stored")
	}
}

// installed checks the table of the positions, and reports whether it can be read.
func (p *probe) installed() bool {
	exists, err := hasReaderTable(p.ctx, p.conn)
	switch {
	case err != nil:
		p.cannotTell("whether the table gateway.wal_reader exists", err)
		return false
	case !exists:
		p.add(plugin.Problem, p.sqlCommand(p.tableNames()...), "there is no table gateway.wal_reader in this database, in which the position is stored")
		return false
	}
	var what, owner string
	if err := p.conn.QueryRow(p.ctx, foreignOwnerSQL, p.s.opts.Owners).Scan(&what, &owner); err == nil {
		p.add(plugin.Problem, fmt.Sprintf("owners: [%s] if you trust this role; else DROP SCHEMA gateway CASCADE, which loses the positions in it, and %s", owner, p.sqlCommand(p.tableNames()...)),
			"%s belongs to the role %q, whose code would run with the reader's rights", what, owner)
		return false
	}
	return p.readerTable() && p.rights()
}

// foreignOwnerSQL finds the schema gateway or its table if an untrusted role owns it: neither a superuser, nor the reader's role,
// nor in owners. A trigger or a rule there would run with the reader's rights.
const foreignOwnerSQL = `SELECT o.what, r.rolname::text FROM (
		SELECT 'the schema gateway' AS what, nspowner AS owner FROM pg_namespace WHERE nspname = 'gateway'
		UNION ALL SELECT 'gateway.wal_reader', relowner FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'gateway') AND relname = 'wal_reader') o
	JOIN pg_roles r ON r.oid = o.owner WHERE NOT r.rolsuper AND r.rolname <> session_user AND NOT coalesce(r.rolname = ANY ($1::text[]), false) LIMIT 1`

// readerColumns are the columns of the table of the positions.
var readerColumns = [][2]string{ // name, definition
	{"slot", "text PRIMARY KEY"}, {"token", "bigint NOT NULL DEFAULT 0"}, {"history", "text"}, {"commit", "pg_lsn NOT NULL DEFAULT '0/0'"}, {"index", "bigint NOT NULL DEFAULT 0"},
	{"spooled", "pg_lsn"}, {"snapshot", "json"}, {"saved", "timestamptz"}, {"moving", "text"}, {"moved", "timestamptz"},
	{"backfills", "text[] NOT NULL DEFAULT '{}'"},
}

// readerTable checks that the table of the positions has all columns.
func (p *probe) readerTable() (complete bool) {
	var have []string
	if !p.row("the columns of gateway.wal_reader", `SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'gateway' AND c.relname = 'wal_reader' AND a.attnum > 0 AND NOT a.attisdropped)`, nil, &have) {
		return false
	}
	complete = true
	for _, c := range readerColumns {
		if !slices.Contains(have, c[0]) {
			p.add(plugin.Problem, fmt.Sprintf("ALTER TABLE gateway.wal_reader ADD COLUMN %s %s -- as the owner", c[0], c[1]), "the table gateway.wal_reader has no column %s", c[0])
			complete = false
		}
	}
	return complete
}

// rights checks the rights of the reader's role in the schema gateway.
func (p *probe) rights() bool {
	var missing []string
	if !p.row("the rights on gateway.wal_reader", `SELECT ARRAY(SELECT format('GRANT USAGE ON SCHEMA gateway TO %s', $1::text) FROM pg_namespace WHERE nspname = 'gateway' AND NOT has_schema_privilege(oid, 'USAGE')
		UNION ALL SELECT format('GRANT %s ON gateway.wal_reader TO %s', string_agg(want, ', ' ORDER BY place), $1::text) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) WITH ORDINALITY w(want, place), pg_class c
			WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'gateway') AND c.relname = 'wal_reader' AND NOT has_table_privilege(c.oid, want) HAVING count(*) > 0)`, []any{p.user()}, &missing) {
		return false
	}
	if len(missing) > 0 {
		p.add(plugin.Problem, strings.Join(missing, "; ")+" -- as the owner", "the role %s may not store its position in gateway.wal_reader", p.user())
		return false
	}
	p.ok("the role %s may store its position", p.user())
	return true
}

// oldestWriterSQL finds the writing transaction that is open for the longest time.
const oldestWriterSQL = `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - begun)), 0)::float8, coalesce((array_agg(who ORDER BY begun))[1], '') FROM (
	SELECT xact_start AS begun, format('pid %s (%s, %s)', pid, application_name, state) AS who FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()
	UNION ALL SELECT prepared, format('prepared transaction %s', gid) FROM pg_prepared_xacts WHERE database = current_database()) open`

// transactions checks that no writing transaction is open for long: the slot keeps all WAL since it began.
func (p *probe) transactions() {
	var sees bool
	if p.row("the rights of the role", "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')", nil, &sees) && !sees {
		p.add(plugin.Warning, "GRANT pg_read_all_stats TO "+p.user(), "this role cannot see how long the transactions of others are open, which keep WAL")
		return
	}
	var age float64
	var who string
	switch {
	case !p.row("how long transactions are open", oldestWriterSQL, nil, &age, &who):
	case age > 60:
		p.add(plugin.Warning, "end it: COMMIT or ROLLBACK there, ROLLBACK PREPARED, or SELECT pg_terminate_backend(PID)",
			"%s has a transaction open for %s: the server keeps the WAL since it began, and a new slot waits for it", who, formatSeconds(age))
	default:
		p.ok("no transaction is open for long")
	}
}
