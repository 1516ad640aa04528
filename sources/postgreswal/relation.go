package postgreswal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgjson"
	"eventgateway/gateway/pgtrigger"
)

// relation is a table as the server describes it in the stream, before the first change of it and after each change of its
// columns.
type relation struct {
	oid      uint32
	name     pgtrigger.Table
	table    string // the name in events
	columns  []relationColumn
	identity byte // the replica identity: d: the primary key; n: nothing; f: all columns; i: an index

	emitted bool     // the table is in tables
	known   bool     // the fields below were read from the catalog
	key     []int    // the columns of the primary key, by number
	keySent bool     // an UPDATE that changes the key is sent with the old key
	absent  []string // columns that the server does not send: generated ones, and those that the publication leaves out

	partitioned bool // its partitions may have other identities
}

type relationColumn struct {
	name     string
	label    []byte // "name": as it stands in a row
	oid      uint32
	identity bool // part of the replica identity
}

// readRelation reads a message of the type R.
func readRelation(data []byte) (*relation, error) {
	s := scanner{data: data[1:]}
	r := &relation{oid: s.uint32()}
	r.name = pgtrigger.Table{Schema: s.text(), Name: s.text()}
	if r.name.Schema == "" {
		r.name.Schema = "pg_catalog"
	}
	r.table = r.name.Qualified()
	r.identity = s.byte()
	for range s.uint16() {
		identity := s.byte()&1 != 0
		c := relationColumn{name: s.text(), oid: s.uint32(), identity: identity}
		s.uint32() // the modifier of the type
		if s.err != nil {
			return nil, s.err
		}
		r.columns = append(r.columns, c)
	}
	return r, s.err
}

// columnsSQL reads the columns of the table $1 that the server does not send, whether it has partitions, and whether the replica identity
// of a partition is an index. Column lists are those of the publication $2 as it is now. Columns of later versions are read by JSON.
const columnsSQL = `SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attgenerated <> '' OR NOT pub.doc->'attnames' ? a.attname::text) ORDER BY a.attnum),
	coalesce(c.relkind = 'p', false), EXISTS (SELECT FROM pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) d JOIN pg_class l ON l.oid = d.relid WHERE d.isleaf AND l.relreplident = 'i')
	FROM (SELECT $1::oid AS oid) t LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON c.oid = t.oid
	LEFT JOIN LATERAL (SELECT to_jsonb(x) AS doc FROM pg_publication_tables x WHERE x.pubname = $2 AND x.schemaname = n.nspname AND x.tablename = c.relname LIMIT 1) pub ON true`

// setKey finds the columns of the present primary key among those in the stream. It finds none if a column of it was renamed or added since
// the change was written, or if the identity in the stream is another primary key. indexed is true if a partition's identity is an index.
func (rel *relation) setKey(key []pgconn.KeyColumn, indexed bool) {
	rel.key, rel.keySent = nil, !indexed
	identity := 0 // columns
	for _, c := range rel.columns {
		if c.identity {
			identity++
		}
	}
	for _, k := range key {
		i := slices.IndexFunc(rel.columns, func(c relationColumn) bool { return c.name == k.Name })
		if i < 0 || rel.identity == 'd' && identity > 0 && (identity != len(key) || !rel.columns[i].identity) {
			rel.key = nil
			return
		}
		rel.key = append(rel.key, i)
		rel.keySent = rel.keySent && rel.columns[i].identity
	}
}

// markUnsent marks the columns of an old row that were not in the WAL. The server sends them as null. For a partitioned table the stream
// names the identity of the table, but the WAL has the columns of the partition's identity. So a row that is sent as whole can be the
// key only.
func (rel *relation) markUnsent(c *rowChange) {
	unsent := func(i int) bool { return !rel.columns[i].identity }
	switch {
	case len(c.old) != len(rel.columns):
		return
	case c.oldKind == 'O' && rel.partitioned:
		whole, complete := len(rel.key) == 0, true
		for i := range c.old {
			isKey, isNull := slices.Contains(rel.key, i), c.old[i].kind == nullColumn
			whole, complete = whole || !isKey && !isNull, complete && !(isKey && isNull)
		}
		if whole && complete {
			return
		}
		unsent = func(i int) bool { return c.old[i].kind == nullColumn }
	case c.oldKind != 'K':
		return
	}
	for i := range c.old {
		if unsent(i) {
			c.old[i] = column{kind: unchangedColumn}
		}
	}
}

// resolve reads from the catalog what the stream lacks: the primary key, the types, and the names of columns that are not sent.
func (r *reader) resolve(ctx context.Context, rel *relation) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	key, err := pgconn.PrimaryKey(ctx, r.conn, rel.oid)
	if err != nil {
		return fmt.Errorf("cannot read the primary key of %s: %w", rel.table, err)
	}
	var names []string
	var indexed bool
	if err := r.conn.QueryRow(ctx, columnsSQL, rel.oid, r.s.opts.Publication).Scan(&names, &rel.partitioned, &indexed); err != nil {
		return fmt.Errorf("cannot read the columns of %s: %w", rel.table, err)
	}
	rel.setKey(key, indexed)
	rel.absent = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(rel.columns, func(c relationColumn) bool { return c.name == name })
	})
	var oids []uint32
	for i := range rel.columns {
		c := &rel.columns[i]
		oids = append(oids, c.oid)
		c.label = append(pgjson.AppendString(nil, []byte(c.name)), ':')
	}
	if err := r.types.Load(ctx, r.conn, oids); err != nil {
		return fmt.Errorf("cannot read the types of the columns of %s: %w", rel.table, err)
	}
	for i := range rel.columns {
		if names := r.types.Inexact(rel.columns[i].oid); len(names) > 0 {
			r.s.reportOnce(r.out, fmt.Errorf("the column %s of %s is text in events, and not as its cast to json writes it: the type %s has a cast by a function, which is not run here", rel.columns[i].name, rel.table, strings.Join(names, ", ")))
		}
	}
	rel.known = true
	return nil
}
