package pgconn

import (
	"fmt"
	"strings"
)

// A Setting is a setting of the server.
type Setting struct{ Name, Value string }

// RowSettings give a row the same text wherever it is read: in the triggers, for a snapshot and for a
// fetch, regardless of what the session, its role or the database has set.
var RowSettings = []Setting{
	{"search_path", "pg_catalog, pg_temp"}, // regclass and its like are qualified, and no function of another role stands in for one of PostgreSQL
	{"timezone", "UTC"},
	{"datestyle", "ISO, MDY"}, // of ranges
	{"intervalstyle", "postgres"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},
	{"lc_monetary", "C"},
	{"quote_all_identifiers", "off"}, // of regclass and its like
}

// LongSessionSQL prepares a session that lives long. It disables the server's timeout for idle sessions, because a session without
// changes is idle. It also disables the compilation of queries (JIT), which takes seconds for queries of the catalog that run for milliseconds.
// PostgreSQL 13 lacks the first setting. Verify the session before: else the settings would reach other clients of a pooler.
const LongSessionSQL = "SELECT pg_catalog.set_config(name, CASE name WHEN 'jit' THEN 'off' ELSE '0' END, false) FROM pg_catalog.pg_settings WHERE name IN ('idle_session_timeout', 'jit')"

// SetSQL returns a statement that applies settings, to the transaction or to the session. The statement
// returns their values.
func SetSQL(settings []Setting, ofTransaction bool) string {
	var calls []string
	for _, s := range settings {
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config(%s, %s, %t)", quote(s.Name), quote(s.Value), ofTransaction))
	}
	return "SELECT " + strings.Join(calls, ", ")
}

// quote returns a literal, for a session with standard_conforming_strings.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
