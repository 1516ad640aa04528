package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// rightsSQL finds the rights that the role lacks, of a list, on a table or on each of the columns.
const rightsSQL = `SELECT coalesce(string_agg(w.r, ', ' ORDER BY w.r), '') FROM unnest($2::text[]) w(r) WHERE NOT has_table_privilege($1::oid, w.r)
	AND (w.r = 'DELETE' OR NOT (SELECT bool_and(has_column_privilege($1::oid, c, w.r)) FROM unnest($3::text[]) c))`

// widthSQL reports whether the role is a superuser, or owns the table.
const widthSQL = `SELECT r.rolsuper, pg_has_role(session_user, c.relowner, 'USAGE') FROM pg_roles r, pg_class c WHERE r.rolname = session_user AND c.oid = $1`

// Probe is part of [plugin.Prober].
func (s *sink) Probe(ctx context.Context) []plugin.Finding {
	conn, first := pgconn.Probe(ctx, s.config, s.opts.URL)
	if conn == nil {
		return []plugin.Finding{first}
	}
	defer pgconn.Close(conn)
	findings := []plugin.Finding{first}
	t, err := s.lookUp(ctx, conn)
	if err != nil {
		return append(findings, plugin.Finding{Level: plugin.Problem, Text: err.Error(), Fix: "see the message, and the README of the sink"})
	}
	findings = append(findings, plugin.Finding{Text: fmt.Sprintf("the table %s has the columns, with the types %s", t.name, strings.Join(t.types, ", "))})
	needed := []string{"INSERT"}
	if s.opts.Mode == "upsert" {
		needed = append(needed, "SELECT", "UPDATE")
	}
	if !s.opts.Delete.IsZero() {
		needed = append(needed, "SELECT", "DELETE")
	}
	findings = append(findings, s.probeRights(ctx, conn, t.name, t.oid, needed, s.names))
	if t.delivered != "" {
		oid, _, err := find(ctx, conn, s.opts.Delivered)
		if err == nil {
			findings = append(findings, s.probeRights(ctx, conn, t.delivered, oid, []string{"INSERT", "SELECT", "DELETE"}, []string{"id"}))
		}
	}
	var superuser, owner bool
	err = pgconn.InTx(ctx, conn, func(tx pgx.Tx) error { return tx.QueryRow(ctx, widthSQL, t.oid).Scan(&superuser, &owner) })
	if err == nil && (superuser || owner) {
		findings = append(findings, plugin.Finding{
			Level: plugin.Warning, Text: fmt.Sprintf("the role %s is a superuser, or owns the table: the sink needs less", conn.Config().User),
			Fix: fmt.Sprintf("CREATE ROLE gateway LOGIN; GRANT %s ON %s TO gateway", strings.Join(needed, ", "), t.name),
		})
	}
	return findings
}

// probeRights returns a finding about the rights on a table.
func (s *sink) probeRights(ctx context.Context, conn *pgx.Conn, name string, oid uint32, needed, columns []string) plugin.Finding {
	var lacking string
	err := pgconn.InTx(ctx, conn, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, rightsSQL, pgx.QueryExecModeExec, oid, needed, columns).Scan(&lacking)
	})
	switch {
	case err != nil:
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell the rights on %s: %v", name, pgconn.Summarize(err)), Fix: "grant EXECUTE on has_table_privilege"}
	case lacking != "":
		return plugin.Finding{
			Level: plugin.Problem, Text: fmt.Sprintf("the role %s lacks rights on %s: %s", conn.Config().User, name, lacking),
			Fix: fmt.Sprintf("GRANT %s ON %s TO %s", lacking, name, pgx.Identifier{conn.Config().User}.Sanitize()),
		}
	}
	return plugin.Finding{Text: fmt.Sprintf("the role %s may write to %s", conn.Config().User, name)}
}
