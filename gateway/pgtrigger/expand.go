package pgtrigger

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"eventgateway/gateway/pgconn"
)

var (
	readableCall = regexp.MustCompile(`(?m)^READABLE\((\w+)\)\n`)
	nameOfCall   = regexp.MustCompile(`NAME_OF\(([^,()]+), ([^,()]+)\)`)
)

// expand replaces the placeholders in the text of the functions: the version, the row settings, the
// escaping of text, and the name of a table.
func expand(sql string) string {
	var settings []string
	for _, s := range pgconn.RowSettings {
		value := "'" + s.Value + "'"
		if s.Name == "search_path" {
			value = s.Value // a list of names
		}
		settings = append(settings, fmt.Sprintf("SET %s = %s", s.Name, value))
	}
	sql = readableCall.ReplaceAllStringFunc(sql, func(call string) string {
		return pgconn.ReadableSQL(readableCall.FindStringSubmatch(call)[1])
	})
	sql = nameOfCall.ReplaceAllStringFunc(sql, func(call string) string {
		m := nameOfCall.FindStringSubmatch(call)
		return QualifiedNameSQL(m[1], m[2])
	})
	return strings.NewReplacer("SQL_VERSION", strconv.Itoa(Version), "ROW_SETTINGS", strings.Join(settings, " ")).Replace(sql)
}
