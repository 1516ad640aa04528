package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the SQL of a sink for one table. The rows are argument 1, a JSON array of objects: the server reads each value by the
// input function of its column's type, so numbers keep all digits, and lists and objects fill columns of arrays and of JSON.
type statements struct {
	write  string // inserts rows, or replaces them
	delete string // deletes the rows with the keys of the objects; "" if the sink has no key
	mark   string // stores IDs, an array of texts, and returns those that are new; "" if there is no table for them
	forget string // deletes IDs that are older than argument 1, in seconds; argument 2 bounds their number
	unmark string // deletes IDs, an array of texts
}

func (s *sink) statementsFor(t table) (st statements) {
	types := make([]string, len(s.names))
	for i, name := range s.names {
		types[i] = pgx.Identifier{name}.Sanitize() + " " + t.types[i]
	}
	st.write = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM pg_catalog.json_to_recordset($1::pg_catalog.json) r(%s)", t.name, columnList("", s.names), columnList("r.", s.names), strings.Join(types, ", "))
	if s.opts.Mode == "upsert" {
		st.write += fmt.Sprintf(" ON CONFLICT (%s) DO ", columnList("", s.opts.Key)) + s.onConflict()
	}
	if len(s.key) > 0 {
		var keyTypes, where []string
		for i, k := range s.key {
			name := pgx.Identifier{s.names[k]}.Sanitize()
			keyTypes = append(keyTypes, types[k])
			where = append(where, fmt.Sprintf("t.%s %s r.%[1]s", name, t.equal[i]))
		}
		st.delete = fmt.Sprintf("DELETE FROM %s t USING pg_catalog.json_to_recordset($1::pg_catalog.json) r(%s) WHERE %s", t.name, strings.Join(keyTypes, ", "), strings.Join(where, " AND "))
	}
	if t.delivered != "" {
		st.mark = fmt.Sprintf("INSERT INTO %s (id) SELECT i.id FROM pg_catalog.unnest($1::pg_catalog.text[]) i(id) ORDER BY i.id ON CONFLICT DO NOTHING RETURNING id", t.delivered)
		st.unmark = fmt.Sprintf("DELETE FROM %s WHERE id OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])", t.delivered)
		st.forget = fmt.Sprintf("DELETE FROM %s WHERE ctid IN (SELECT ctid FROM %[1]s WHERE at < now() - make_interval(secs => $1::float8) ORDER BY at LIMIT $2::bigint)", t.delivered)
	}
	return st
}

// onConflict returns the clause for a row that exists.
func (s *sink) onConflict() string {
	var set []string
	for i, name := range s.names {
		if !slices.Contains(s.key, i) {
			set = append(set, fmt.Sprintf("%s = EXCLUDED.%[1]s", pgx.Identifier{name}.Sanitize()))
		}
	}
	if len(set) == 0 {
		return "NOTHING"
	}
	return "UPDATE SET " + strings.Join(set, ", ")
}
