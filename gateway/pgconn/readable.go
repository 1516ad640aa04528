package pgconn

import (
	_ "embed"
	"strings"
)

//go:embed readable.sql
var readableTemplate string

// ReadableSQL returns statements of PL/pgSQL that make the text of a variable one that every client can
// read: JSON in which a character that UTF-8 does not have is escaped. The search path must be
// that of PostgreSQL.
func ReadableSQL(variable string) string {
	return strings.ReplaceAll(readableTemplate, "TEXT", variable)
}

// readableText makes a function for [RowReader] that returns such a text.
var readableTextSQL = `CREATE FUNCTION pg_temp.gateway_text(t text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
	AS $gateway_text$ BEGIN ` + ReadableSQL("t") + ` RETURN t; END $gateway_text$`
