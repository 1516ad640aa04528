package pgconn

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A KeyColumn is a column of a table's primary key.
type KeyColumn struct {
	Name    string // not quoted
	Type    string // qualified, but for types of pg_catalog
	Equal   string // the operator of the key's index, as OPERATOR(schema.=)
	Greater string
}

// keyColumnsSQL finds the columns of the primary key of the table $1, in order. The operators
// are those of the index: a type of an extension may have an order of its own.
const keyColumnsSQL = `SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), equal.name, greater.name
	FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, position)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
	JOIN pg_opclass c ON c.oid = i.indclass[k.position - 1]
	CROSS JOIN LATERAL (SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) AS name FROM pg_amop m JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
		WHERE m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3) equal
	CROSS JOIN LATERAL (SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) AS name FROM pg_amop m JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
		WHERE m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 5) greater
	WHERE i.indrelid = $1 AND i.indisprimary AND k.position <= i.indnkeyatts ORDER BY k.position`

// PrimaryKey returns the columns of the primary key of a table, none if it has no key. It
// must run in a transaction of [Begin], or with its search path.
func PrimaryKey(ctx context.Context, q interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, table uint32) ([]KeyColumn, error) {
	rows, err := q.Query(ctx, keyColumnsSQL, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[KeyColumn])
}

// rowAlias and placeAlias are names that no column has.
const (
	rowAlias   = `"the gateway's row"`
	placeAlias = `"the gateway's place"`
)

// A KeyQuery selects rows of a table by its primary key, for [RowReader]: the key as text, the
// row as JSON, and a flag.
type KeyQuery struct {
	Table       string // quoted, with its schema
	Partitioned bool
	Key         []KeyColumn
	Flag        string // an expression over the alias %s; "" for false
}

// value is argument i, counted from 1, as the type of a column.
func value(c KeyColumn, i int) string { return fmt.Sprintf("(args)[%d]::%s", i, c.Type) }

// names returns the columns of the key of a table with an alias, and the key as an array of texts.
func (q KeyQuery) names(alias string) (columns []string, key string) {
	var texts []string
	for _, c := range q.Key {
		column := alias + "." + pgx.Identifier{c.Name}.Sanitize()
		columns, texts = append(columns, column), append(texts, column+"::text")
	}
	return columns, "ARRAY[" + strings.Join(texts, ", ") + "]::text[]"
}

// from returns the table as it stands in FROM.
func (q KeyQuery) from() string {
	if q.Partitioned {
		return q.Table
	}
	return "ONLY " + q.Table
}

func (q KeyQuery) selects() (text string, columns []string) {
	mark := "false"
	if q.Flag != "" {
		mark = fmt.Sprintf(q.Flag, rowAlias)
	}
	columns, key := q.names(rowAlias)
	return fmt.Sprintf("SELECT %s, row_to_json(%s.*)::text, %s FROM %s %[2]s", key, rowAlias, mark, q.from()), columns
}

// RowSQL returns the query of the row whose key is in the arguments, in the order of the columns.
func (q KeyQuery) RowSQL() string {
	sql, columns := q.selects()
	var where []string
	for i, c := range q.Key {
		where = append(where, columns[i]+" "+c.Equal+" "+value(c, i+1))
	}
	return sql + " WHERE " + strings.Join(where, " AND ")
}

// RowsSQL returns the query of the rows whose keys are in argument 1: a JSON array of keys, each an array of texts. Rows that do not
// exist are left out. It takes no longer per key for many keys than for few.
func (q KeyQuery) RowsSQL() string {
	sql, columns := q.selects()
	var equal []string
	for i, c := range q.Key {
		equal = append(equal, fmt.Sprintf("%s %s (%s.k ->> %d)::%s", columns[i], c.Equal, placeAlias, i, c.Type))
	}
	return fmt.Sprintf("%s JOIN json_array_elements((args)[1]::json) %s(k) ON %s", sql, placeAlias, strings.Join(equal, " AND "))
}

// RandomKeysSQL returns the query of the keys of random rows, without the rows. Argument 1 is their number. The server reads all keys.
func (q KeyQuery) RandomKeysSQL() string {
	_, key := q.names(rowAlias)
	return fmt.Sprintf("SELECT %s, ''::text, false FROM %s %s ORDER BY random() LIMIT (args)[1]::bigint", key, q.from(), rowAlias)
}

// PageSQL returns the query of the next rows in the order of the key. Argument 1 is their number. With
// after, they follow the key whose values begin with argument first.
func (q KeyQuery) PageSQL(first int, after bool) string {
	sql, columns := q.selects()
	if after {
		sql += " WHERE " + q.follows(columns, func(i int) string { return value(q.Key[i], first+i) })
	}
	return sql + " ORDER BY " + strings.Join(columns, ", ") + " LIMIT (args)[1]::bigint"
}

// follows returns the condition that the key is above values: a > x OR a = x AND (b > y OR ...).
func (q KeyQuery) follows(columns []string, value func(i int) string) (condition string) {
	for i := len(q.Key) - 1; i >= 0; i-- {
		c, v := q.Key[i], value(i)
		greater := columns[i] + " " + c.Greater + " " + v
		if condition == "" {
			condition = greater
		} else {
			condition = fmt.Sprintf("(%s OR %s %s %s AND %s)", greater, columns[i], c.Equal, v, condition)
		}
	}
	return condition
}

// NextKeysSQL returns the query of the next keys, as text[], in the order of the key. The parameters
// are their number and, with after, the key that they follow. where is SQL that the user writes, or "", in
// which the table is called alias, which is quoted.
func (q KeyQuery) NextKeysSQL(alias, where string, after bool) string {
	columns, key := q.names(alias)
	conditions := userConditions(where)
	if after {
		conditions = append(conditions, q.follows(columns, func(i int) string { return fmt.Sprintf("($2::text[])[%d]::%s", i+1, q.Key[i].Type) }))
	}
	return q.keysSQL(alias, key, conditions) + " ORDER BY " + strings.Join(columns, ", ") + " LIMIT $1"
}

// RandomKeysWhereSQL returns the query of the keys of random rows, as text[]. The parameter is their number. alias and where are as in
// NextKeysSQL.
func (q KeyQuery) RandomKeysWhereSQL(alias, where string) string {
	_, key := q.names(alias)
	return q.keysSQL(alias, key, userConditions(where)) + " ORDER BY pg_catalog.random() LIMIT $1"
}

// userConditions returns the condition that a user writes, as a list that is empty for "".
func userConditions(where string) []string {
	if where == "" {
		return nil
	}
	return []string{"(\n" + where + "\n)"} // it may end with a comment
}

func (q KeyQuery) keysSQL(alias, key string, conditions []string) string {
	sql := fmt.Sprintf("SELECT %s FROM %s AS %s", key, q.from(), alias)
	if len(conditions) > 0 {
		sql += " WHERE " + strings.Join(conditions, " AND ")
	}
	return sql
}

// LockRowsSQL returns the query that locks the rows with the keys $1 against changes, and returns each as JSON text, in
// the order of the keys. $1 is a text[] with the values of all keys, one after the other.
func (q KeyQuery) LockRowsSQL() string {
	columns, _ := q.names(rowAlias)
	var equal []string
	for i, c := range q.Key {
		equal = append(equal, fmt.Sprintf("%s %s ($1::text[])[(%s.n - 1) * %d + %d]::%s", columns[i], c.Equal, placeAlias, len(q.Key), i+1, c.Type))
	}
	return fmt.Sprintf("SELECT row_to_json(%[1]s.*)::text AS data FROM generate_series(1, cardinality($1::text[]) / %[2]d) %[3]s(n) JOIN %[4]s %[1]s ON %[5]s ORDER BY %[3]s.n FOR SHARE OF %[1]s",
		rowAlias, len(q.Key), placeAlias, q.from(), strings.Join(equal, " AND "))
}
