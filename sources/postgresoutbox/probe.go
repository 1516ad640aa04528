package postgresoutbox

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// minServerVersion has multiranges, in which the pending ids are stored.
const minServerVersion = 140000

// Probe is part of [plugin.Prober].
func (s *source) Probe(ctx context.Context) []plugin.Finding {
	conn, first := pgconn.Probe(ctx, s.conn, s.opts.URL)
	if conn == nil {
		return []plugin.Finding{first}
	}
	defer pgconn.Close(conn)
	session := pgconn.ProbeSession
	if s.opts.Wake == "bell" {
		session = pgconn.ProbeListen
	}
	p := &probe{ctx: ctx, s: s, conn: conn, findings: []plugin.Finding{first, session(ctx, conn, s.conn.ConnConfig)}}
	if p.findings[1].Level == plugin.Problem {
		return p.findings
	}
	if err := applySettings(ctx, conn); err != nil {
		p.add(plugin.Problem, "", "%v", err)
		return p.findings
	}
	p.writable()
	if p.installed() && p.version() && p.columns() && p.rights() {
		p.rowSecurity()
		p.triggers()
		p.sequence()
		p.readers()
		p.bound()
		p.undelivered()
		p.transactions()
	}
	if s.opts.Wake == "bell" {
		p.preparedTransactions()
	}
	return p.findings
}

// probe checks one database, and collects findings.
type probe struct {
	ctx      context.Context
	s        *source
	conn     *pgx.Conn
	bounds   bool // the SQL of the outbox enforces bounds
	findings []plugin.Finding
}

func (p *probe) ok(format string, args ...any) {
	p.findings = append(p.findings, plugin.Finding{Text: fmt.Sprintf(format, args...)})
}

func (p *probe) add(level plugin.Level, fix, format string, args ...any) {
	p.findings = append(p.findings, plugin.Finding{Level: level, Text: fmt.Sprintf(format, args...), Fix: fix})
}

// row queries one row, and reports whether that succeeded.
func (p *probe) row(sql string, args []any, to ...any) bool {
	err := p.conn.QueryRow(p.ctx, sql, args...).Scan(to...)
	if err != nil {
		p.add(plugin.Warning, "", "cannot query the database: %v", err)
	}
	return err == nil
}

func (p *probe) installed() bool {
	var version int
	var there bool
	if !p.row("SELECT current_setting('server_version_num')::int, (SELECT count(*) = 2 FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'gateway') AND relname IN ('outbox', 'outbox_reader'))", nil, &version, &there) {
		return false
	}
	switch {
	case version < minServerVersion:
		p.add(plugin.Problem, "upgrade the server", "the server is version %d: the outbox needs PostgreSQL 14", version/10000)
		return false
	case !there:
		p.add(plugin.Problem, "gateway sql --mode outbox --table TABLE --apply", "there is no outbox in this database")
	}
	return there
}

// version checks the version and the owner of the installed SQL.
func (p *probe) version() bool {
	var what, owner string
	if err := p.conn.QueryRow(p.ctx, foreignOwnerSQL, p.s.opts.Owners).Scan(&what, &owner); err == nil {
		p.add(plugin.Problem, fmt.Sprintf("owners: [%s] if you trust this role; else DROP SCHEMA gateway CASCADE, which loses the changes in it, and gateway sql --mode outbox before anyone writes", owner), "%s belongs to the role %q", what, owner)
		return false
	}
	version, err := outboxVersion(p.ctx, p.conn)
	p.bounds = version.Version >= boundVersion
	switch {
	case err != nil:
		p.add(plugin.Problem, "gateway sql --mode outbox --table TABLE --apply", "%v", err)
		return false
	case version.Older():
		p.add(plugin.Warning, "gateway sql --migrate --apply", "%v", version.VersionError())
	case version.VersionError() != nil:
		p.add(plugin.Problem, "", "%v", version.VersionError())
		return false
	}
	return true
}

// rights checks the rights of the reader's role.
func (p *probe) rights() bool {
	user := pgx.Identifier{p.conn.Config().User}.Sanitize()
	grants := [][2]string{ // privilege, table
		{"SELECT", "gateway.outbox"}, {"DELETE", "gateway.outbox"}, {"SELECT", "gateway.outbox_reader"}, {"INSERT", "gateway.outbox_reader"}, {"UPDATE", "gateway.outbox_reader"},
	}
	if p.bounds {
		grants = append(grants, [2]string{"SELECT", "gateway.outbox_detached"}, [2]string{"DELETE", "gateway.outbox_detached"})
	}
	if p.s.opts.Snapshot == "initial" {
		for table := range p.s.tables {
			grants = append(grants, [2]string{"SELECT", table})
		}
	}
	var missing []string
	if p.s.opts.Snapshot == "initial" {
		missing = p.schemas(user)
	}
	var usage bool
	if p.row("SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'gateway'", nil, &usage) && !usage {
		missing = append(missing, "GRANT USAGE ON SCHEMA gateway TO "+user)
	}
	var sequence bool
	if p.row("SELECT has_sequence_privilege(oid, 'SELECT') FROM pg_class WHERE relkind = 'S' AND relname = 'outbox_id_seq' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'gateway')", nil, &sequence) && !sequence {
		missing = append(missing, "GRANT SELECT ON SEQUENCE gateway.outbox_id_seq TO "+user)
	}
	for _, g := range grants {
		var may bool
		if p.row(`SELECT coalesce((SELECT has_table_privilege(c.oid, $1) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+tableNameSQL+` = $2), true)`, []any{g[0], g[1]}, &may) && !may {
			missing = append(missing, fmt.Sprintf("GRANT %s ON %s TO %s", g[0], pgtrigger.QuoteQualified(g[1]), user))
		}
	}
	if len(missing) > 0 {
		p.add(plugin.Problem, strings.Join(missing, "; ")+" -- as the owner", "the role %s lacks rights", user)
		return false
	}
	p.ok("the role %s may read and delete", user)
	return true
}

// readers checks that a reader is not so far behind that the outbox grows.
func (p *probe) readers() {
	var size, slowest string
	var age, saved float64
	if !p.row(p.growthSQL(), nil, &size, &age, &slowest, &saved) {
		return
	}
	if age > 60 && saved > 60 {
		p.add(plugin.Warning, fmt.Sprintf("start its gateway; if it runs, read its log; if it is gone for good: gateway outbox drop %s", pgtrigger.ShellArg(slowest)),
			"the outbox grows (%s): the reader %s has stored nothing for %s", size, slowest, formatSeconds(saved))
		return
	}
	if age > 60 {
		p.ok("the outbox has %s; its oldest change is %s old, and reader %s has not delivered it", size, formatSeconds(age), slowest)
		return
	}
	p.ok("the outbox has %s, and no change is old", size)
}

// oldestWriterSQL finds the writing transaction that is open for the longest time.
const oldestWriterSQL = `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - begun)), 0)::float8, coalesce((array_agg(who ORDER BY begun))[1], '') FROM (
	SELECT xact_start AS begun, format('pid %s (%s, %s)', pid, application_name, state) AS who FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()
	UNION ALL SELECT prepared, format('prepared transaction %s', gid) FROM pg_prepared_xacts WHERE database = current_database()) open`

func (p *probe) transactions() {
	var sees bool
	if p.row("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')", nil, &sees) && !sees {
		p.add(plugin.Warning, "GRANT pg_read_all_stats TO "+pgx.Identifier{p.conn.Config().User}.Sanitize(), "this role cannot see how long the transactions of others are open, which keep changes in the outbox")
		return
	}
	var age float64
	var who string
	if !p.row(oldestWriterSQL, nil, &age, &who) {
		return
	}
	if age > 60 {
		p.add(plugin.Warning, "end it: COMMIT or ROLLBACK there, ROLLBACK PREPARED, or SELECT pg_terminate_backend(PID)",
			"%s has a transaction open for %s: its changes are emitted when it commits, and until then the server keeps rows that were deleted", who, formatSeconds(age))
		return
	}
	p.ok("no transaction is open for long")
}

// preparedTransactions checks whether writers may use two-phase commit.
func (p *probe) preparedTransactions() {
	var most int
	if p.row("SELECT current_setting('max_prepared_transactions')::int", nil, &most) && most > 0 {
		p.add(plugin.Warning, "wake: poll", "this server allows prepared transactions: one that notifies a sleeping reader cannot be prepared")
	}
}

func formatSeconds(n float64) string {
	switch {
	case n < 120:
		return fmt.Sprintf("%.0f s", n)
	case n < 7200:
		return fmt.Sprintf("%.0f minutes", n/60)
	}
	return fmt.Sprintf("%.0f hours", n/3600)
}
