// Package pgtrigger is the SQL of the triggers that capture changes, and the command
// that prints it.
package pgtrigger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxName is the longest name in bytes, of a table or of a channel. PostgreSQL cuts
// longer ones off without a word, or refuses them.
const maxName = 63

// Table is a table's name as in the catalog, not quoted.
type Table struct{ Schema, Name string }

// String returns the name quoted: "public"."orders".
func (t Table) String() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

// Qualified returns the table's name in events and in the outbox: public.orders. A schema or table with a
// dot or a colon, or that begins with a quote, is quoted, so that names are unique.
func (t Table) Qualified() string { return quoteIfNeeded(t.Schema) + "." + quoteIfNeeded(t.Name) }

func quoteIfNeeded(name string) string {
	if strings.ContainsAny(name, ".:") || strings.HasPrefix(name, `"`) {
		return pgx.Identifier{name}.Sanitize()
	}
	return name
}

// QualifiedNameSQL returns an SQL expression for the name of [Table.Qualified]. schema and table are expressions of
// the type name.
func QualifiedNameSQL(schema, table string) string {
	part := func(e string) string {
		return fmt.Sprintf(`CASE WHEN %[1]s ~ '[.:]|^"' THEN concat('"', replace(%[1]s::text, '"', '""'), '"') ELSE %[1]s::text END`, e)
	}
	return fmt.Sprintf("concat(%s, '.', %s)", part(schema), part(table))
}

// ParseQualified reads a name of [Table.Qualified].
func ParseQualified(name string) (t Table, ok bool) {
	if strings.HasPrefix(name, `"`) {
		end := closingQuote(name)
		if end < 0 || !strings.HasPrefix(name[end+1:], ".") {
			return t, false
		}
		t.Schema, t.Name = name[:end+1], name[end+2:]
	} else if t.Schema, t.Name, ok = strings.Cut(name, "."); !ok {
		return t, false
	}
	return Table{unquote(t.Schema), unquote(t.Name)}, true
}

func unquote(name string) string {
	if len(name) > 1 && name[0] == '"' && closingQuote(name) == len(name)-1 {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return name
}

// ParseTable splits a table's name as users write it: orders, shop.orders, or
// with quotes "Shop"."Order Items".
func ParseTable(text string) (Table, error) {
	var parts []string
	for rest := text; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			end := closingQuote(rest)
			if end < 0 {
				return Table{}, fmt.Errorf("table %s: a quote is not closed", text)
			}
			part, rest = strings.ReplaceAll(rest[1:end], `""`, `"`), rest[end+1:]
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			part, rest = strings.ToLower(rest[:end]), rest[end:]
			if strings.ContainsAny(part, " \t\n\"';()") {
				return Table{}, fmt.Errorf("table %s: put a name with special characters in double quotes, and these in single ones for the shell: 'shop.\"Order Items\"'", text)
			}
		}
		if part == "" || len(part) > maxName {
			return Table{}, fmt.Errorf("table %s: a name has 1 to %d bytes", text, maxName)
		}
		parts = append(parts, part)
		if rest == "" {
			break
		}
		if rest[0] != '.' {
			return Table{}, fmt.Errorf("table %s: a dot must follow a quoted schema", text)
		}
		rest = rest[1:]
	}
	switch len(parts) {
	case 1:
		return Table{"public", parts[0]}, nil
	case 2:
		return Table{parts[0], parts[1]}, nil
	}
	return Table{}, errors.New("table " + text + ": write TABLE or SCHEMA.TABLE")
}

// closingQuote returns where the quoted name that text begins with ends.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return i
	}
	return -1
}

// literal quotes text as an SQL string that is valid with any standard_conforming_strings.
func literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// doSQL returns a DO statement. The tag of its quotes is a hash of the body, so that no name in the body
// can contain it.
func doSQL(body string) string {
	sum := sha256.Sum256([]byte(body))
	tag := "$gateway_" + hex.EncodeToString(sum[:8]) + "$"
	return "DO " + tag + " " + body + " " + tag + ";\n"
}
