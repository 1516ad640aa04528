package pgjson

// texts are values of text types, with all that has a meaning in arrays, composites and JSON.
var texts = []string{
	"", " ", "plain", " a b ", `a "b" \c 'd'`, "a,b;c{d}(e)[f]", "NULL", "null", "\t\n\v\r\b\f\x01\x1f\x7f", "é€😀\u2028", `\u0041\n`, "</script>", `"`, `\`, `""`, `\\`, "{", "(", ",", "expr:repeat('x\"\\', 3000)",
}

// builtinValues are values of PostgreSQL's base types, ranges, and the domains of information_schema, as literals. A value that begins with expr: is an
// SQL expression. NULL is added to each.
var builtinValues = map[string][]string{
	"bool": {"true", "false"}, "bytea": {"", `\x00ff41`, "expr:decode(repeat('005c22', 1000), 'hex')"}, "char": {"a", "", " ", `"`, `\`, ",", "\x01", "\n", `expr:(-61)::"char"`},
	"name": {"plain", "", `q"uo\te`, "two words", "é{},()"}, "text": texts, "varchar": texts, "bpchar": append([]string{"padded   "}, texts...), "refcursor": texts, "xml": {"", "plain, text", `<a b="c">d &amp; "e" \ é</a>`, `<?xml version="1.0" encoding="UTF-8"?><a/>`},

	"int2": {"0", "-32768", "32767"}, "int4": {"0", "-2147483648", "2147483647"}, "int8": {"0", "-9223372036854775808", "9223372036854775807"},
	"float4":  {"0", "-0", "1.1", "0.1", "16777216", "1e6", "1e5", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity"},
	"float8":  {"0", "-0", "0.1", "0.30000000000000004", "1e15", "1e16", "123456789012345680", "1.7976931348623157e308", "5e-324", "1e-7", "NaN", "Infinity", "-Infinity"},
	"numeric": {"0", "-0.00", "12345678901234567890.10", "1e-20", "-1e100", "expr:10::numeric ^ 400", "NaN", "Infinity", "-Infinity"}, "money": {"0", "-1234.5", "92233720368547758.07"},

	"oid": {"0", "4294967295"}, "xid": {"0", "4294967295"}, "cid": {"0", "4294967295"}, "xid8": {"0", "18446744073709551615"}, "tid": {"(0,1)", "(4294967295,65535)"}, "pg_lsn": {"0/0", "FFFFFFFF/FFFFFFFF"},
	"int2vector": {"", "1", "1 -32768 32767"}, "oidvector": {"", "0", "1 4294967295"}, "txid_snapshot": {"10:20:10,14,15", "1:1:"}, "pg_snapshot": {"10:20:10,14,15", "1:1:"},
	"regproc": {"-", "now", "4294967295"}, "regprocedure": {"-", "now()", "sum(integer)", "information_schema._pg_char_max_length(oid,int4)"}, "regoper": {"0", "||/"}, "regoperator": {"0", "-(integer,integer)", "!!(NONE,tsquery)"},
	"regclass": {"-", "pg_class", "information_schema.tables", "4294967295"}, "regcollation": {"-", `"C"`}, "regtype": {"-", "integer", "timestamp with time zone", "text[]", `"char"`}, "regrole": {"-", "pg_read_all_data"}, "regnamespace": {"-", "pg_catalog"},
	"regconfig": {"-", "simple"}, "regdictionary": {"-", "simple"}, "aclitem": {"expr:makeaclitem(10, 10, 'SELECT', true)", "expr:makeaclitem(0, 10, 'UPDATE', false)"},

	"date":        {"2024-07-01", "infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "0001-12-31 BC", "0001-01-01"},
	"time":        {"00:00:00", "24:00:00", "12:34:56.789012", "12:00:00.5"},
	"timetz":      {"12:00:00+02", "24:00:00-15:59", "12:00:00.5+05:30:15", "00:00:00+00"},
	"timestamp":   {"2024-07-01 12:00:00", "2024-07-01 12:00:00.123456", "2024-07-01 12:00:00.1", "infinity", "-infinity", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "0044-03-15 12:00:00.5 BC", "99999-01-01 00:00:00", "0001-01-01 00:00:00"},
	"timestamptz": {"2024-07-01 12:00:00+02", "2024-07-01 12:00:00.123456+00", "2024-07-01 12:00:00.1+05:30", "infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "0044-03-15 12:00:00.5+00 BC", "99999-01-01 00:00:00+00"},
	"interval":    {"0", "1 year 2 mons -3 days 04:05:06.789", "-178000000 years", "178000000 years", "1 mon -1 sec", "-00:00:00.000001"},

	"json":     {`{"a" : [1.0, null, "x\"y\\z\u0041"]}`, " [1 ,\n 2]\t", `"text"`, "null", "1e5", `{"a":1,"a":2}`, `{"é" : "€"}`, "[]"},
	"jsonb":    {`{"a" : [1.0, null, "x\"y\\z\u0041"]}`, `"t\u0001\t"`, "null", "1e5", `{"a":1,"a":2}`, `{"é" : "€"}`, "[]", "{}", "-12345678901234567890.10"},
	"jsonpath": {`$."a b"[*] ? (@ > 1)`, `strict $.x."q\"uo\\te"`}, "tsvector": {"", `a:1A b:2,3C 'x y' '"q"' '\\'`, `'it''s' 'é,{}'`}, "tsquery": {"", `'a' & !b:*A | ('c d' <-> e)`, `'"q"' & '\\'`},
	"uuid": {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}, "bit": {"", "1", "101"}, "varbit": {"", "0", "1010101010101"},
	"inet": {"10.0.0.1", "10.0.0.1/8", "::1", "2001:db8::1/32"}, "cidr": {"10.0.0.0/8", "2001:db8::/32", "10.0.0.1/32"}, "macaddr": {"08:00:2b:01:02:03"}, "macaddr8": {"08:00:2b:01:02:03:04:05"},
	"point": {"(1,-2.5)", "(NaN,Infinity)", "(1e300,1e-300)"}, "lseg": {"[(0,0),(1,1)]"}, "path": {"((0,0),(1,1))", "[(0,0),(1.5,2)]"}, "box": {"(2,2),(1,1)", "(0,0),(-1,-1.5)"}, "polygon": {"((0,0),(1,1),(2,0))"}, "line": {"{1,2,3}"}, "circle": {"<(1,2),3>"},

	"int4range": {"empty", "[1,5)", "(,)", "[,3]"}, "int8range": {"empty", "[1,)", "[-9223372036854775808,9223372036854775807)"}, "numrange": {"empty", "[1.0,2.50]", "(-1e10,)"},
	"daterange": {"empty", "[2024-07-01,2024-08-01)", "[-infinity,infinity]"}, "tsrange": {"empty", `["2024-07-01 12:00:00","2024-08-01 00:00:00.5")`, "(,infinity]"}, "tstzrange": {"empty", `["2024-07-01 12:00:00+02",)`, "(-infinity,infinity)"},
	"int4multirange": {"{}", "{[1,3),[5,)}"}, "int8multirange": {"{}", "{[1,3),[5,)}"}, "nummultirange": {"{}", "{[1.0,3.50],[5,)}"}, "datemultirange": {"{}", "{[2024-07-01,2024-08-01)}"},
	"tsmultirange": {"{}", `{["2024-07-01 12:00:00","2024-08-01 00:00:00.5")}`}, "tstzmultirange": {"{}", `{["2024-07-01 12:00:00+02",)}`},

	"cardinal_number": {"0", "2147483647"}, "character_data": {"", `a "b" \c`}, "sql_identifier": {"x", `q"uo\te`}, "time_stamp": {"2024-07-01 12:00:00.12+02"}, "yes_or_no": {"YES", "NO"},

	// Types whose input functions refuse any text.
	"pg_node_tree": {"expr:(SELECT ev_action FROM pg_rewrite ORDER BY length(ev_action::text) LIMIT 1)"}, "pg_ndistinct": {"expr:(SELECT stxdndistinct FROM pg_statistic_ext_data LIMIT 1)"},
	"pg_dependencies": {"expr:(SELECT stxddependencies FROM pg_statistic_ext_data LIMIT 1)"}, "pg_mcv_list": {"expr:(SELECT stxdmcv FROM pg_statistic_ext_data LIMIT 1)"},
	"gtsvector": {}, "pg_brin_bloom_summary": {}, "pg_brin_minmax_multi_summary": {}, // values exist in indexes only, and no function returns them
}
