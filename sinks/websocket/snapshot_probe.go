package websocket

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// probe reads a page of each table of the option snapshot.
func (s *snapshots) probe(ctx context.Context, name string) []plugin.Finding {
	if s == nil {
		return nil
	}
	config, err := pgconn.PrimaryConfig(s.opts.URL, name)
	if err != nil { // build has read the same URL
		return []plugin.Finding{{Level: plugin.Problem, Text: err.Error()}}
	}
	conn, first := pgconn.Probe(ctx, config, s.opts.URL)
	if conn == nil {
		return []plugin.Finding{first}
	}
	defer pgconn.Close(conn)
	findings := []plugin.Finding{first}
	reader := &pgconn.RowReader{Config: config, Owners: s.opts.Owners, Timeout: pageTimeout}
	defer reader.Close()
	for _, text := range s.opts.Tables {
		table, _ := pgtrigger.ParseTable(text) // valid: Check has parsed it
		findings = append(findings, probeTable(ctx, conn, reader, table, s.opts.Owners))
	}
	return findings
}

// missingGrantsSQL finds the rights that the role lacks to read the table $1, and whether row-level security could hide rows.
const missingGrantsSQL = `SELECT c.oid, ` + pgconn.HidesRowsSQL + `,
	CASE WHEN has_schema_privilege(n.oid, 'USAGE') THEN '' ELSE format('GRANT USAGE ON SCHEMA %I TO ', n.nspname) END,
	CASE WHEN has_table_privilege(c.oid, 'SELECT') THEN '' ELSE format('GRANT SELECT ON %I.%I TO ', n.nspname, c.relname) END,
	CASE WHEN has_database_privilege(current_database(), 'TEMPORARY') THEN '' ELSE format('GRANT TEMPORARY ON DATABASE %I TO ', current_database()) END
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`

// probeTable checks that the rows of a table can be read.
func probeTable(ctx context.Context, conn *pgx.Conn, reader *pgconn.RowReader, table pgtrigger.Table, owners []string) plugin.Finding {
	name := table.Qualified()
	problem := func(fix, format string, args ...any) plugin.Finding {
		return plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf(format, args...), Fix: fix}
	}
	var oid uint32
	var hidden bool
	var grants [3]string
	err := conn.QueryRow(ctx, missingGrantsSQL, table.Schema, table.Name).Scan(&oid, &hidden, &grants[0], &grants[1], &grants[2])
	if err == pgx.ErrNoRows {
		return problem("create it, or remove it from snapshot.tables", "the table %s does not exist", name)
	}
	if err != nil {
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell whether the table %s can be read: %v", name, pgconn.Summarize(err))}
	}
	var missing []string
	for _, grant := range grants {
		if grant != "" {
			missing = append(missing, grant+pgx.Identifier{conn.Config().User}.Sanitize())
		}
	}
	switch {
	case len(missing) > 0:
		return problem(strings.Join(missing, "; ")+" -- as the owner", "the role %s may not read the table %s", conn.Config().User, name)
	case hidden:
		return problem(pgconn.BypassRowSecuritySQL(conn), "the rows of %s cannot be read for a snapshot: row-level security could hide some", name)
	}
	if err := pgconn.CheckRowsReadable(ctx, conn, oid, owners); err != nil {
		return problem("snapshot.owners: [ROLE] if you trust the role", "%v", err)
	}
	if _, err := newPages(&rowReaders{reading: ctx}, table.String()).read(ctx, reader); err != nil {
		return problem("", "a snapshot of %s fails: %v", name, err)
	}
	return plugin.Finding{Text: "the rows of " + name + " can be read"}
}
