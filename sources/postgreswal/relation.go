package postgreswal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/rawjson"
)

// relation is a table as the server describes it in the stream, before the first change of it and after each change of its
// columns.
type relation struct {
	oid      uint32
	name     pgtrigger.Table
	table    string // the name in events
	columns  []relationColumn
	identity byte // d: the primary key; n: nothing; f: all columns; i: an index

	emitted bool // the table is in tables
	known   bool // the rest was read from the catalog
	key     []int
	absent  []string // columns that the server does not send: generated ones
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

// resolve reads from the catalog what the stream does not say: the primary key, the types, and the columns that are not sent.
func (r *reader) resolve(ctx context.Context, rel *relation) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	key, err := pgconn.PrimaryKey(ctx, r.conn, rel.oid)
	if err != nil {
		return fmt.Errorf("cannot read the primary key of %s: %w", rel.table, err)
	}
	rel.key = nil
	for _, c := range key {
		i := slices.IndexFunc(rel.columns, func(have relationColumn) bool { return have.name == c.Name })
		if i < 0 { // it was renamed or added since the change was written
			rel.key = nil
			break
		}
		rel.key = append(rel.key, i)
	}
	var names []string
	if err := r.conn.QueryRow(ctx, `SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '' ORDER BY a.attnum)`,
		rel.oid).Scan(&names); err != nil {
		return fmt.Errorf("cannot read the columns of %s: %w", rel.table, err)
	}
	rel.absent = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(rel.columns, func(c relationColumn) bool { return c.name == name })
	})
	var oids []uint32
	for i := range rel.columns {
		c := &rel.columns[i]
		oids = append(oids, c.oid)
		c.label = append(rawjson.AppendText(nil, c.name), ':')
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
