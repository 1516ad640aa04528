package postgreswal

// typesDDL creates types of every kind of CREATE TYPE and CREATE DOMAIN.
const typesDDL = `
CREATE TYPE mood AS ENUM ('sad', 'o"k', 'hap,py', 'NULL', '{é}', ' ');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN deep AS positive NOT NULL DEFAULT 1;
CREATE DOMAIN doc AS json;
CREATE DOMAIN docb AS jsonb;
CREATE DOMAIN names AS text[];
CREATE DOMAIN yes AS bool;
CREATE TYPE part AS (a int, "b ""c" text, d timestamptz, e bool, f json, g numeric[], h mood, i bytea);
CREATE DOMAIN dpart AS part;
CREATE TYPE whole AS (p part, ps part[], d dpart, n names, j jsonb, y yes);
CREATE TYPE short AS (a int, gone text, c int);
ALTER TYPE short DROP ATTRIBUTE gone;
CREATE TYPE empty AS ();
CREATE TYPE frange AS RANGE (subtype = float8);
CREATE TABLE row_type (x int, note text);
`

// typeValues are values of each type, as its input function accepts them.
var typeValues = []struct {
	typ    string
	values []string
}{
	{"bool", []string{"true", "false"}},
	{"int2", []string{"0", "-32768", "32767"}},
	{"int4", []string{"1", "-2147483648", "2147483647"}},
	{"int8", []string{"9007199254740993", "-9223372036854775808"}},
	{"float4", []string{"0.1", "1e20", "1.5e-10", "NaN", "Infinity", "-Infinity", "-0", "16777216", "1e15", "123456.7"}},
	{"float8", []string{"0.30000000000000004", "1e300", "-0", "NaN", "Infinity", "-Infinity", "1e15", "1e-5", "123456789012345680"}},
	{"numeric", []string{"100.50", "NaN", "Infinity", "-Infinity", "-0.0", "12345678901234567890.10", "1e-30", "1e40", "0.00"}},
	{"numeric(10,2)", []string{"12.5", "NaN", "-1"}},
	{"text", []string{"", " ", "null", "é \"x\" \\ / \b\f\n\r\t\x01\x1f\x7f", "😀\u2028\u2029", "{a,b}", "(a,b)", "<script>&'"}},
	{"varchar(5)", []string{"abc", "é"}},
	{"char(5)", []string{"ab", ""}},
	{"name", []string{"na me", ""}},
	{`"char"`, []string{"a", "", "\""}},
	{"bytea", []string{"\\x", "\\x00ff41", "abc\\\\"}},
	{"date", []string{"2024-07-01", "infinity", "-infinity", "0044-03-15 BC", "12024-01-01"}},
	{"time", []string{"12:00:00", "23:59:59.999999", "24:00:00"}},
	{"timetz", []string{"12:00:00+02", "12:00:00.5-03:30"}},
	{"timestamp", []string{"2024-07-01 12:00:00", "2024-07-01 12:00:00.100000", "infinity", "-infinity", "0044-03-15 12:00:00 BC", "12024-01-01 00:00:00"}},
	{"timestamptz", []string{"2024-07-01 12:00:00+00", "1900-01-01 00:00:00+00", "2024-07-01 12:00:00.000001+02", "infinity", "-infinity", "0044-03-15 12:00:00+00 BC"}},
	{"interval", []string{"1 year 2 mons -3 days 04:05:06.789", "0", "-1 mon +1 day"}},
	{"uuid", []string{"00000000-0000-0000-0000-000000000001"}},
	{"json", []string{`{"a" : 1.0, "a": 2}`, `null`, ` [1,  2] `, `"\u0000 x"`, "1e400", "{\n\"a\":\t1}"}},
	{"jsonb", []string{`{"b" : 1.0, "a": 2}`, `null`, `"x\u00e9\""`, "1.50"}},
	{"xml", []string{"<a b=\"c\"/>", "text"}},
	{"inet", []string{"192.168.0.1", "::1/64"}},
	{"cidr", []string{"10.0.0.0/8", "::/0"}},
	{"macaddr", []string{"08:00:2b:01:02:03"}},
	{"macaddr8", []string{"08:00:2b:01:02:03:04:05"}},
	{"bit(3)", []string{"101"}},
	{"varbit", []string{"", "10101"}},
	{"money", []string{"1234.5", "-0.01"}},
	{"point", []string{"(1,2.5)"}}, {"line", []string{"{1,2,3}"}}, {"lseg", []string{"[(0,0),(1,1)]"}}, {"box", []string{"(1,1),(0,0)"}}, {"path", []string{"[(0,0),(1,1)]", "((0,0),(1,1))"}},
	{"polygon", []string{"((0,0),(1,1),(1,0))"}}, {"circle", []string{"<(1,2),3>"}},
	{"int4range", []string{"[1,5)", "empty", "(,)"}}, {"numrange", []string{"[1.5,2.50]"}}, {"tsrange", []string{"[2024-07-01 12:00:00,)"}},
	{"tstzrange", []string{"[2024-07-01 12:00:00+00,)", "empty"}}, {"daterange", []string{"[2024-07-01,2024-08-01)"}}, {"frange", []string{"[0.1,0.3]"}},
	{"int4multirange", []string{"{}", "{[1,2),[5,6)}"}}, {"tstzmultirange", []string{"{[2024-07-01 12:00:00+00,2024-07-02 12:00:00+00)}"}},
	{"tsvector", []string{"'a':1A 'b''c':2"}}, {"tsquery", []string{"'a' & !'b'"}},
	{"pg_lsn", []string{"16/B374D848"}}, {"oid", []string{"4294967295"}}, {"regclass", []string{"pg_class", "row_type"}}, {"regtype", []string{"part", "int"}}, {"regproc", []string{"pg_sleep"}}, {"regrole", []string{"postgres"}},
	{"tid", []string{"(1,2)"}}, {"xid", []string{"7"}}, {"xid8", []string{"70000000000"}}, {"cid", []string{"7"}}, {"pg_snapshot", []string{"10:20:10,14"}}, {"txid_snapshot", []string{"10:20:10,14"}},
	{"jsonpath", []string{`$."a"[*]`}}, {"oidvector", []string{"1 2", ""}}, {"int2vector", []string{"1 2"}}, {"refcursor", []string{"c"}},
	{"mood", []string{"sad", `o"k`, "hap,py", "NULL", "{é}", " "}},
	{"positive", []string{"7"}}, {"deep", []string{"8"}}, {"doc", []string{`{"x" :1}`}}, {"docb", []string{`{"x" :1}`}}, {"names", []string{`{a,"b c",NULL}`}}, {"yes", []string{"t"}},
	{"part", []string{`(,,,,,,,)`, `(1,"x ""y"" \\ z","2024-07-01 12:00:00+00",t,"{""a"" : 1}","{1.0,NULL}","o""k","\\x00ff")`, `(2,"","infinity",f,null,{},NULL,)`}},
	{"dpart", []string{`(1,é,,,,,,)`}},
	{"whole", []string{`(,,,,,)`, `("(1,""a,b"",,t,,,sad,)","{""(1,x,,,,,,)"",NULL}","(2,,,,,,,)","{q,r}","{""k"": [1]}",t)`}},
	{"short", []string{"(1,2)"}}, {"empty", []string{"()"}}, {"row_type", []string{"(1,\"a b\")"}},
	{"int4[]", []string{"{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={1,2}", "[2:2][3:4]={{1,2}}"}},
	{"bool[]", []string{"{t,f,NULL}"}}, {"float8[]", []string{"{NaN,1.5,-Infinity}"}}, {"numeric[]", []string{"{1.50,NaN,NULL}"}},
	{"text[]", []string{`{a,"b,c","NULL",NULL,"","\"","\\","{}"," x "}`, `{{a},{b}}`}}, {"char(3)[]", []string{"{a,bcd}"}}, {"bytea[]", []string{`{"\\x00ff"}`}},
	{"date[]", []string{"{2024-07-01,infinity}"}}, {"timestamptz[]", []string{`{"2024-07-01 12:00:00+00",NULL}`}}, {"json[]", []string{`{"{\"a\" : 1}","null",NULL,"[]"}`}}, {"jsonb[]", []string{`{"{\"a\" : 1}"}`}},
	{"mood[]", []string{`{sad,"o\"k","NULL",NULL}`}}, {"positive[]", []string{"{1,2}"}}, {"doc[]", []string{`{"{\"a\" : 1}"}`}}, {"dpart[]", []string{`{"(1,é,,,,,,)"}`}}, {"part[]", []string{`{"(1,\"a \\\"\\\"b\",,,,,,)",NULL}`}},
	{"whole[]", []string{`{"(,,,,,)"}`}}, {"int4range[]", []string{`{"[1,5)",empty}`}}, {"point[]", []string{`{"(1,2)"}`}}, {"box[]", []string{"{(1,1),(0,0);(2,2),(1,1)}"}}, {"money[]", []string{`{"$1,234.50"}`}}, {"oidvector[]", []string{`{"1 2"}`}},
	{"uuid[]", []string{"{00000000-0000-0000-0000-000000000001}"}}, {"xml[]", []string{`{<a/>}`}}, {"interval[]", []string{`{"1 day"}`}}, {"bit(2)[]", []string{"{10,01}"}},
}
