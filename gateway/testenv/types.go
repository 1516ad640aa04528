package testenv

import "fmt"

// TypesSQL returns SQL that creates a table with id, note, and a column of each type whose text depends on the settings
// of the session.
func TypesSQL(table string) string {
	return fmt.Sprintf(`DROP TABLE IF EXISTS %[1]s CASCADE; DROP TYPE IF EXISTS %[1]s_part CASCADE;
	CREATE TYPE %[1]s_part AS (at timestamptz, x bytea, f float8);
	CREATE TABLE %[1]s (id int PRIMARY KEY, note text,
		at timestamptz DEFAULT '2024-07-01 12:00:00+00', local timestamp DEFAULT '2024-07-01 12:00:00', day date DEFAULT '2024-07-01', clock timetz DEFAULT '12:00:00+02',
		took interval DEFAULT '1 year 2 mons -3 days 04:05:06.789', x bytea DEFAULT '\x00ff41'::bytea, f8 float8 DEFAULT 0.1::float8 + 0.2::float8, f4 float4 DEFAULT 1.0::float4 / 3,
		price money DEFAULT 1234.5::money, days daterange DEFAULT '[2024-07-01,2024-08-01)', times tstzrange DEFAULT '[2024-07-01 12:00:00+00,)',
		many timestamptz[] DEFAULT ARRAY['2024-07-01 12:00:00+00'::timestamptz], parts %[1]s_part DEFAULT ROW('2024-07-01 12:00:00+00'::timestamptz, '\x00ff'::bytea, 0.1::float8 + 0.2::float8)::%[1]s_part,
		class regclass DEFAULT '%[1]s'::regclass, kind regtype DEFAULT '%[1]s_part'::regtype, n numeric DEFAULT 12345678901234567890.10, ranges tstzmultirange DEFAULT '{[2024-07-01 12:00:00+00,2024-07-02 12:00:00+00)}',
		doc json DEFAULT '{"a" : 1.0}', docb jsonb DEFAULT '{"a" : 1.0}', words tsvector DEFAULT 'a b'::tsvector, u uuid DEFAULT '00000000-0000-0000-0000-000000000001', b bit(3) DEFAULT B'101', tx xml DEFAULT '<a/>');`, table)
}

// SessionSettings are settings of sessions, roles and databases that change the text of values. Each is SETTING = VALUE.
var SessionSettings = []string{
	"timezone = 'Asia/Tokyo'", "datestyle = 'German, DMY'", "datestyle = 'SQL, DMY'", "intervalstyle = 'iso_8601'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'",
	"extra_float_digits = '-15'", "extra_float_digits = '0'", "search_path = 'public, pg_catalog'", "search_path = ''", "quote_all_identifiers = 'on'", "xmlbinary = 'hex'", "standard_conforming_strings = 'off'",
	"client_encoding = 'LATIN1'", "lc_monetary = 'C.UTF-8'",
}
