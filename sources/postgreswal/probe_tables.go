package postgreswal

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgjson"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// publishedTable is a table, as the catalog has it.
type publishedTable struct {
	Name                     string // as in events
	OID                      uint32 // 0: it does not exist
	Partitioned, IsPartition bool
	HasKey                   bool   // it has a primary key
	Identity                 string // full, key, index, or none
	Part                     string // a partition whose identity is not full, quoted; or ""
	PartIdentity             string
	Published                bool
	Filter                   string   // of the rows
	Unlisted                 []string // columns that the publication leaves out
	Stored, Virtual          []string // generated columns
	Columns                  []string
	Types                    []uint32
	HidesRows                bool // row-level security could hide rows from a snapshot
	Grants                   []string
}

// identitySQL is the replica identity of a table c: full, key, index, or none.
const identitySQL = `CASE WHEN c.relreplident = 'f' THEN 'full'
	WHEN c.relreplident = 'd' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate) THEN 'key'
	WHEN c.relreplident = 'i' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid AND NOT i.indisprimary) THEN 'index'
	WHEN c.relreplident = 'i' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid) THEN 'key' ELSE 'none' END`

// tablesSQL reads the tables with the names $1, schemas $2 and tables $3, for the publication $4 and the role $5.
// Columns of later versions of the server are read by JSON.
var tablesSQL = `SELECT t.name, coalesce(c.oid, 0), coalesce(c.relkind = 'p', false), coalesce(c.relispartition, false),
	EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), ` + identitySQL + `, coalesce(part.name, ''), coalesce(part.identity, ''),
	pub.doc IS NOT NULL, coalesce(pub.doc->>'rowfilter', ''),
	ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND NOT pub.doc->'attnames' ? a.attname::text ORDER BY a.attnum),
	ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = 's' ORDER BY a.attnum),
	ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = 'v' ORDER BY a.attnum),
	ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
	ARRAY(SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
	coalesce(c.relkind IN ('r', 'p') AND ` + pgconn.HidesRowsSQL + `, false),
	ARRAY(SELECT format('GRANT USAGE ON SCHEMA %I TO %s', t.schema, $5::text) WHERE NOT has_schema_privilege(c.relnamespace, 'USAGE')
		UNION ALL SELECT format('GRANT SELECT ON %I.%I TO %s', t.schema, t.tbl, $5::text) WHERE NOT has_table_privilege(c.oid, 'SELECT')
		UNION ALL SELECT format('GRANT TEMPORARY ON DATABASE %I TO %s', current_database(), $5::text) WHERE NOT has_database_privilege(current_database(), 'TEMPORARY'))
	FROM unnest($1::text[], $2::text[], $3::text[]) t(name, schema, tbl)
	LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON n.nspname = t.schema AND c.relname = t.tbl
	LEFT JOIN LATERAL (SELECT to_jsonb(x) AS doc FROM pg_publication_tables x WHERE x.pubname = $4 AND x.schemaname = t.schema AND x.tablename = t.tbl) pub ON true
	LEFT JOIN LATERAL (SELECT format('%I.%I', pn.nspname, pc.relname) AS name, pc.identity FROM pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) d
		JOIN LATERAL (SELECT c.relname, c.relnamespace, ` + identitySQL + ` AS identity FROM pg_class c WHERE c.oid = d.relid AND c.relkind = 'r') pc ON true JOIN pg_namespace pn ON pn.oid = pc.relnamespace
		WHERE d.isleaf AND pc.identity <> 'full' ORDER BY pc.identity = 'none' DESC, 1 LIMIT 1) part ON true ORDER BY 1`

// readTables reads the tables with these names.
func (p *probe) readTables(names []string) ([]publishedTable, error) {
	var schemas, tables []string
	for _, name := range names {
		t, _ := pgtrigger.ParseQualified(name) // it was made by Qualified
		schemas, tables = append(schemas, t.Schema), append(tables, t.Name)
	}
	rows, err := p.conn.Query(p.ctx, tablesSQL, names, schemas, tables, p.s.opts.Publication, p.user())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[publishedTable])
}

// identity checks what the WAL has of the old row.
func (p *probe) identity(t publishedTable) {
	quoted, identity, of := pgtrigger.QuoteQualified(t.Name), t.Identity, t.Name
	if t.Partitioned { // a row is in a partition, whose identity counts
		if identity = t.PartIdentity; t.Part == "" {
			identity = "full"
		}
		quoted, of = t.Part, fmt.Sprintf("%s, a partition of %s,", t.Part, t.Name)
	}
	fix := fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL", quoted)
	switch identity {
	case "none":
		p.add(plugin.Problem, fix, "UPDATE and DELETE of %s fail: the table is published, and has no replica identity", of)
	case "index":
		p.add(plugin.Warning, fix, "the WAL has only the columns of an index of the old row of %s: the events of a DELETE may lack the key", of)
	case "key":
		p.add(plugin.Warning, fix+" -- it writes the whole old row of each UPDATE and DELETE into the WAL; leave it, if the new row is enough",
			"the WAL has only the primary key of the old row of %s: changes have no old row, and a DELETE has no other column", of)
	}
	if !t.HasKey {
		p.add(plugin.Warning, fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (...)", pgtrigger.QuoteQualified(t.Name)), "the table %s has no primary key: its events have no key of their own, and no snapshot is possible", t.Name)
	}
}

// columns finds columns that the WAL lacks, and those that events have in another form than the outbox's.
func (p *probe) columns(t publishedTable, pub *publication) {
	publication := quoteIdentifier(p.s.opts.Publication)
	switch {
	case len(t.Stored) > 0 && p.number < 180000:
		p.add(plugin.Warning, "upgrade to PostgreSQL 18; or make them ordinary columns that a trigger fills", "the events of %s lack its generated columns (%s), which PostgreSQL publishes from version 18 on", t.Name, strings.Join(t.Stored, ", "))
	case len(t.Stored) > 0 && !pub.Generated:
		p.add(plugin.Warning, fmt.Sprintf("ALTER PUBLICATION %s SET (publish_generated_columns = stored)", publication), "the publication %s does not publish the generated columns of %s (%s)", publication, t.Name, strings.Join(t.Stored, ", "))
	}
	if len(t.Virtual) > 0 {
		p.add(plugin.Warning, "make them STORED, if the events need them", "the events of %s lack its virtual columns (%s), which are not in the WAL", t.Name, strings.Join(t.Virtual, ", "))
	}
	types := pgjson.NewTypes()
	if err := types.Load(p.ctx, p.conn, t.Types); err != nil {
		p.cannotTell("how the types of "+t.Name+" are written", err)
		return
	}
	for i, oid := range t.Types {
		if inexact := types.Inexact(oid); len(inexact) > 0 {
			p.add(plugin.Warning, "postgres-outbox, if the column must be as row_to_json writes it", "the column %s of %s is text in events: the type %s has a cast to json by a function, which is not run here", t.Columns[i], t.Name, strings.Join(inexact, ", "))
		}
	}
}

// readable checks that rows of the table can be read: for a snapshot, or to read back values that an UPDATE has not written.
func (p *probe) readable(t publishedTable) {
	level, purpose := plugin.Problem, "for a snapshot"
	if p.s.opts.Snapshot != "initial" {
		if t.Identity == "full" && t.PartIdentity == "" {
			return
		}
		level, purpose = plugin.Warning, "where an UPDATE leaves a large value as it is, so that the event lacks it"
	}
	if len(t.Grants) > 0 {
		p.add(level, strings.Join(t.Grants, "; ")+" -- as the owner", "the role %s may not read the rows of %s %s", p.user(), t.Name, purpose)
		return
	}
	if t.HidesRows {
		p.add(level, pgconn.BypassRowSecuritySQL(p.conn), "the rows of %s cannot be read %s: row-level security could hide some", t.Name, purpose)
	}
	if err := pgconn.CheckRowsReadable(p.ctx, p.conn, t.OID, p.s.opts.Owners); err != nil {
		p.add(level, "owners: [ROLE] if you trust this role", "%v %s", err, purpose)
	}
}
