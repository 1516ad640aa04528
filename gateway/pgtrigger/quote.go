package pgtrigger

import (
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Messages hold commands that are copied into a shell or psql. The owner of a table names it, so a
// name must not become a command there.

var (
	plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	plainArg  = regexp.MustCompile(`^[A-Za-z0-9_.:/=-]+$`)
)

// QuoteQualified returns a name of [Table.Qualified] as SQL and the option --table accept it, quoted if
// necessary.
func QuoteQualified(name string) string {
	t, ok := ParseQualified(name)
	if !ok {
		return pgx.Identifier{name}.Sanitize()
	}
	parts := []string{t.Schema, t.Name}
	for i, p := range parts {
		if !plainName.MatchString(p) {
			parts[i] = pgx.Identifier{p}.Sanitize()
		}
	}
	return strings.Join(parts, ".")
}

// ShellArg returns text as one argument of a shell, in single quotes if necessary.
func ShellArg(text string) string {
	if plainArg.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// QuoteLiteral returns text as an SQL string that is valid with any standard_conforming_strings.
func QuoteLiteral(text string) string { return strings.TrimSpace(literal(text)) }
