package pgjson

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A Querier is a session, or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// typesSQL reads the types $1 and all types that they consist of. For PostgreSQL's own types it reports no cast, because row_to_json
// looks for casts only from the OID 16384 on, where other types begin.
const typesSQL = `WITH RECURSIVE part AS (
		SELECT pg_catalog.unnest($1::pg_catalog.oid[]) AS oid
		UNION
		SELECT next.oid FROM part JOIN pg_catalog.pg_type t ON t.oid = part.oid CROSS JOIN LATERAL (
			SELECT t.typbasetype WHERE t.typtype = 'd'
			UNION ALL SELECT t.typelem WHERE t.typtype = 'b' AND t.typlen = -1 AND t.typelem <> 0
			UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
		) next(oid)
	)
	SELECT t.oid, pg_catalog.format_type(t.oid, NULL), t.typtype::pg_catalog.text, t.typdelim::pg_catalog.text, t.typbasetype,
		CASE WHEN t.typtype = 'b' AND t.typlen = -1 THEN t.typelem ELSE 0 END,
		t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc,
		t.oid >= 16384 AND EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castsource = t.oid AND c.casttarget = 'pg_catalog.json'::pg_catalog.regtype AND c.castmethod = 'f'),
		ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
		ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
	FROM part JOIN pg_catalog.pg_type t ON t.oid = part.oid`

// catalogType is a row of typesSQL.
type catalogType struct {
	OID            uint32
	Name           string
	TypType        string // b base, c composite, d domain, e enum, m multirange, p pseudo, r range
	Delimiter      string
	Base           uint32 // of a domain
	Element        uint32 // of an array or a vector
	ArrayText      bool   // whether the text has the form of arrays
	Cast           bool   // whether a function is its cast to json
	AttributeNames []string
	AttributeTypes []uint32
}

// Load reads the types that are not in the cache, and all types that they consist of, with one query. If all are in the
// cache, it runs no query. A type that does not exist any more is cached as one whose values are strings. The session's
// search path must begin with pg_catalog, as in pgconn.RowSettings.
func (t *Types) Load(ctx context.Context, q Querier, oids []uint32) error {
	var missing []uint32
	for _, oid := range oids {
		if !t.Loaded(oid) {
			missing = append(missing, oid)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, typesSQL, missing)
	if err != nil {
		return fmt.Errorf("cannot read the types of columns: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[catalogType])
	if err != nil {
		return fmt.Errorf("cannot read the types of columns: %w", err)
	}
	t.add(found)
	for _, oid := range missing {
		t.get(oid)
	}
	return nil
}

// add adds types to the cache. It does not replace types in it.
func (t *Types) add(found []catalogType) {
	bases, added := map[uint32]uint32{}, found[:0]
	for _, c := range found {
		if t.Loaded(c.OID) {
			continue
		}
		if c.TypType == "d" {
			bases[c.OID] = c.Base
			continue
		}
		t.known[c.OID] = newDataType(c)
		added = append(added, c)
	}
	for domain, base := range bases {
		for bases[base] != 0 { // a domain over a domain
			base = bases[base]
		}
		t.known[domain] = t.get(base)
	}
	for _, c := range added {
		d := t.known[c.OID]
		if d.kind == kindArray || d.kind == kindVector {
			d.element = t.get(c.Element)
		}
		for i, name := range c.AttributeNames {
			key := append(AppendString(nil, []byte(name)), ':')
			d.attributes = append(d.attributes, attribute{key: key, dataType: t.get(c.AttributeTypes[i])})
		}
	}
}

// get returns a type of the cache. It adds the type, with values that are strings, if the catalog does not have it.
func (t *Types) get(oid uint32) *dataType {
	if t.known[oid] == nil {
		t.known[oid] = &dataType{name: fmt.Sprintf("with OID %d", oid), delimiter: ','}
	}
	return t.known[oid]
}

// kinds are the types of PostgreSQL that json_categorize_type distinguishes by their OIDs, and the vectors.
var kinds = map[uint32]kind{
	16: kindBool, 20: kindNumber, 21: kindNumber, 23: kindNumber, 700: kindNumber, 701: kindNumber, 1700: kindNumber,
	114: kindJSON, 3802: kindJSON, 1114: kindTimestamp, 1184: kindTimestampTZ, 22: kindVector, 30: kindVector,
}

// newDataType returns a type without its element and attributes.
func newDataType(c catalogType) *dataType {
	d := &dataType{name: c.Name, kind: kinds[c.OID], delimiter: ','}
	if c.Delimiter != "" {
		d.delimiter = c.Delimiter[0]
	}
	switch {
	case d.kind != kindString:
	case c.TypType == "c":
		d.kind = kindComposite
	case c.Element != 0 && c.ArrayText:
		d.kind = kindArray
	default: // row_to_json writes such an array from the server's memory, so its text may have another form
		d.inexact = c.Cast || c.Element != 0
	}
	return d
}
