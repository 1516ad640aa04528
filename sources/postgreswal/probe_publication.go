package postgreswal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// publication is a publication, as the catalog has it.
type publication struct {
	ViaRoot   bool   // changes of partitions are those of the partitioned table
	Generated bool   // stored generated columns are published, from PostgreSQL 18
	Operation string // operations that it does not publish, with commas
}

// publicationSQL finds the publication $1. Columns of later versions are read by JSON.
const publicationSQL = `SELECT p.pubviaroot, coalesce(to_jsonb(p)->>'pubgencols', 'n') = 's',
	concat_ws(', ', CASE WHEN NOT p.pubinsert THEN 'insert' END, CASE WHEN NOT p.pubupdate THEN 'update' END, CASE WHEN NOT p.pubdelete THEN 'delete' END, CASE WHEN NOT p.pubtruncate THEN 'truncate' END)
	FROM pg_publication p WHERE p.pubname = $1`

// publication checks the publication, and returns it; nil if there is none.
func (p *probe) publication() *publication {
	name := quoteIdentifier(p.s.opts.Publication)
	rows, err := p.conn.Query(p.ctx, publicationSQL, p.s.opts.Publication)
	var pub publication
	if err == nil {
		pub, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[publication])
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		p.add(plugin.Problem, p.sqlCommand(p.tableNames()...), "there is no publication %s in this database", name)
		return nil
	case err != nil:
		p.cannotTell("which publications the database has", err)
		return nil
	case pub.Operation != "":
		p.add(plugin.Problem, fmt.Sprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate')", name), "the publication %s does not publish %s", name, pub.Operation)
	default:
		p.ok("the publication %s publishes all operations", name)
	}
	return &pub
}

// tableNames returns the names of the tables in the option tables.
func (p *probe) tableNames() []string { return slices.Sorted(maps.Keys(p.s.tables)) }

// publishedSQL finds the names of all tables of the publication $1.
var publishedSQL = `SELECT ARRAY(SELECT ` + pgtrigger.QualifiedNameSQL("schemaname", "tablename") + ` FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1)`

// tables checks the tables of the source.
func (p *probe) tables(pub *publication) {
	names := p.tableNames()
	if len(names) == 0 && p.row("the tables of the publication", publishedSQL, []any{p.s.opts.Publication}, &names) && len(names) == 0 {
		p.add(plugin.Problem, p.sqlCommand(), "the publication %s has no table", quoteIdentifier(p.s.opts.Publication))
	}
	found, err := p.readTables(names)
	if err != nil {
		p.cannotTell("how the tables are published", err)
		return
	}
	for _, t := range found {
		before := len(p.findings)
		if p.isPublished(t, pub) {
			p.identity(t)
			p.columns(t, pub)
			p.readable(t)
			if len(p.findings) == before {
				p.ok("all of %s is in the WAL", t.Name)
			}
		}
	}
}

// isPublished checks that the changes of a table are published, and reports whether it exists and they are.
func (p *probe) isPublished(t publishedTable, pub *publication) bool {
	name, publication := pgtrigger.QuoteQualified(t.Name), quoteIdentifier(p.s.opts.Publication)
	republish := fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE ONLY %s; ALTER PUBLICATION %[1]s ADD TABLE ONLY %[2]s", publication, name)
	switch {
	case t.OID == 0:
		p.add(plugin.Problem, "correct tables", "there is no table %s", t.Name)
		return false
	case t.IsPartition:
		p.add(plugin.Problem, "write the partitioned table instead", "%s is a partition", t.Name)
		return false
	case t.Partitioned && !pub.ViaRoot:
		p.add(plugin.Problem, fmt.Sprintf("ALTER PUBLICATION %s SET (publish_via_partition_root = true)", publication), "the publication %s publishes the partitions of %s, and not the table", publication, t.Name)
		return false
	case !t.Published:
		p.add(plugin.Problem, p.sqlCommand(t.Name), "the publication %s lacks the table %s", publication, t.Name)
		return false
	case t.Filter != "":
		p.add(plugin.Warning, republish+" -- or leave it, if that is intended", "the publication %s has a row filter for %s: changes of other rows are missing (%s)", publication, t.Name, t.Filter)
	case len(t.Unlisted) > 0:
		p.add(plugin.Problem, republish, "the publication %s has a list of columns for %s: its events lack %s, and UPDATE and DELETE fail where the list lacks a column of the replica identity",
			publication, t.Name, strings.Join(t.Unlisted, ", "))
	}
	return true
}
