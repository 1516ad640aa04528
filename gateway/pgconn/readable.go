package pgconn

import (
	_ "embed"
	"strings"
)

//go:embed readable.sql
var readableTemplate string

// ReadableSQL returns PL/pgSQL statements that escape characters without a UTF-8 form in a variable
// with JSON text. The search path must be that of [SetSearchPathSQL].
func ReadableSQL(variable string) string {
	return strings.ReplaceAll(readableTemplate, "TEXT", variable)
}

// ReadableTextSQL creates the function pg_temp.gateway_text, which returns such a text, for [RowReader].
var ReadableTextSQL = `CREATE FUNCTION pg_temp.gateway_text(t text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
	AS $gateway_text$ BEGIN ` + ReadableSQL("t") + ` RETURN t; END $gateway_text$`
