package pgjson

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// OIDs of types that tests use without a server. Those below 16384 are PostgreSQL's.
const (
	oidBool, oidInt2, oidInt2Vector, oidInt4, oidText, oidOID       = 16, 21, 22, 23, 25, 26
	oidJSON, oidBox, oidFloat8, oidVarchar                          = 114, 603, 701, 1043
	oidDate, oidTimestamp, oidTimestampTZ, oidNumeric               = 1082, 1114, 1184, 1700
	oidInt4s, oidTexts, oidBoxes, oidTimestampTZs, oidVectors       = 1007, 1009, 1020, 1185, 1006
	oidPart, oidParts, oidWhole, oidEmpty, oidDomain, oidDomains    = 20001, 20002, 20003, 20004, 20005, 20006
	oidHstore, oidHstores, oidWithHstore, oidListOfInts, oidJSONRow = 20007, 20008, 20009, 20010, 20011
)

// loadedTypes returns a cache with types as the catalog describes them.
func loadedTypes() *Types {
	base := func(oid uint32, name string) catalogType {
		return catalogType{OID: oid, Name: name, TypType: "b", Delimiter: ","}
	}
	array := func(oid, element uint32, name string) catalogType {
		return catalogType{OID: oid, Name: name, TypType: "b", Delimiter: ",", Element: element, ArrayText: true}
	}
	composite := func(oid uint32, name string, names []string, types ...uint32) catalogType {
		return catalogType{OID: oid, Name: name, TypType: "c", Delimiter: ",", AttributeNames: names, AttributeTypes: types}
	}
	t := NewTypes()
	t.add([]catalogType{
		{OID: oidDomains, Name: "domain[]", TypType: "b", Delimiter: ",", Element: oidDomain, ArrayText: true},
		{OID: oidDomain, Name: "domain", TypType: "d", Base: 20100}, {OID: 20100, Name: "inner", TypType: "d", Base: oidTexts},
		base(oidBool, "boolean"), base(oidInt2, "smallint"), base(oidInt4, "integer"), base(oidText, "text"), base(oidOID, "oid"), base(oidJSON, "json"),
		base(oidFloat8, "double precision"), base(oidVarchar, "character varying"), base(oidDate, "date"), base(oidTimestamp, "timestamp without time zone"),
		base(oidTimestampTZ, "timestamp with time zone"), base(oidNumeric, "numeric"),
		{OID: oidBox, Name: "box", TypType: "b", Delimiter: ";"}, {OID: oidInt2Vector, Name: "int2vector", TypType: "b", Delimiter: ",", Element: oidInt2},
		array(oidInt4s, oidInt4, "integer[]"), array(oidTexts, oidText, "text[]"), array(oidBoxes, oidBox, "box[]"),
		array(oidTimestampTZs, oidTimestampTZ, "timestamp with time zone[]"), array(oidVectors, oidInt2Vector, "int2vector[]"), array(oidParts, oidPart, "part[]"),
		composite(oidPart, "part", []string{"n", `the "name"`}, oidInt4, oidText), composite(oidWhole, "whole", []string{"part", "parts", "at"}, oidPart, oidParts, oidTimestampTZ),
		composite(oidEmpty, "empty", nil), composite(oidJSONRow, "jsonrow", []string{"j", "k"}, oidJSON, oidJSON),
		{OID: oidHstore, Name: "public.hstore", TypType: "b", Delimiter: ",", Cast: true}, array(oidHstores, oidHstore, "public.hstore[]"),
		composite(oidWithHstore, "withhstore", []string{"t", "h"}, oidText, oidHstores), {OID: oidListOfInts, Name: "list", TypType: "b", Delimiter: ",", Element: oidInt4},
	})
	return t
}

func TestAppend(t *testing.T) {
	types := loadedTypes()
	for _, c := range []struct {
		oid        uint32
		text, want string
	}{
		{oidBool, "t", "true"}, {oidBool, "f", "false"},
		{oidInt4, "-2147483648", "-2147483648"}, {oidInt4, "0", "0"}, {oidNumeric, "12345678901234567890.10", "12345678901234567890.10"}, {oidNumeric, "NaN", `"NaN"`},
		{oidFloat8, "1e-07", "1e-07"}, {oidFloat8, "1.7976931348623157e+308", "1.7976931348623157e+308"}, {oidFloat8, "-0", "-0"}, {oidFloat8, "-Infinity", `"-Infinity"`},
		{oidNumeric, "01", `"01"`}, {oidNumeric, "1.", `"1."`}, {oidNumeric, "1e", `"1e"`}, {oidNumeric, "-", `"-"`}, {oidNumeric, "", `""`}, {oidNumeric, "1x", `"1x"`},
		{oidText, "", `""`}, {oidText, `a "b" \c`, `"a \"b\" \\c"`}, {oidText, "\b\f\n\r\t\x01\x1f\x7f/<é€😀", `"\b\f\n\r\t\u0001\u001f` + "\x7f" + `/<é€😀"`},
		{oidText, "0123456789abcdef\n0123456789abcdef", `"0123456789abcdef\n0123456789abcdef"`},
		{oidDate, "2024-07-01", `"2024-07-01"`}, {oidDate, "0044-03-15 BC", `"0044-03-15 BC"`}, {oidDate, "infinity", `"infinity"`},
		{oidTimestamp, "2024-07-01 12:00:00.123456", `"2024-07-01T12:00:00.123456"`}, {oidTimestamp, "4714-11-24 00:00:00 BC", `"4714-11-24T00:00:00 BC"`}, {oidTimestamp, "-infinity", `"-infinity"`},
		{oidTimestampTZ, "2024-07-01 12:00:00+00", `"2024-07-01T12:00:00+00:00"`}, {oidTimestampTZ, "294276-12-31 23:59:59.999999+00", `"294276-12-31T23:59:59.999999+00:00"`},
		{oidTimestampTZ, "0044-03-15 12:00:00+00 BC", `"0044-03-15T12:00:00+00:00 BC"`}, {oidTimestampTZ, "2024-07-01 12:00:00+05:30", `"2024-07-01T12:00:00+05:30"`}, {oidTimestampTZ, "infinity", `"infinity"`},
		{oidJSON, "{\"a\" : 1.0}\n", "{\"a\" : 1.0}\n"},
		{oidInt4s, "{}", "[]"}, {oidInt4s, "{1,NULL,-3}", "[1,null,-3]"}, {oidInt4s, "{{1,2},{3,4}}", "[[1,2],[3,4]]"}, {oidInt4s, "[0:1][-1:0]={{1,2},{3,4}}", "[[1,2],[3,4]]"},
		{oidInt4s, "{{{{{{1}}}}}}", "[[[[[[1]]]]]]"}, {oidTexts, `{NULL,"NULL",null,"","a,b","{","a\"b\\c", x }`, `[null,"NULL","null","","a,b","{","a\"b\\c"," x "]`},
		{oidBoxes, "{(2,2),(1,1);NULL;(4,4),(3,3)}", `["(2,2),(1,1)",null,"(4,4),(3,3)"]`}, {oidTimestampTZs, `{"2024-07-01 12:00:00+00",infinity}`, `["2024-07-01T12:00:00+00:00","infinity"]`},
		{oidInt2Vector, "", "[]"}, {oidInt2Vector, "1 -2 3", "[1,-2,3]"}, {oidVectors, `{"1 2",3,NULL,""}`, "[[1,2],[3],null,[]]"},
		{oidPart, "(,)", `{"n":null,"the \"name\"":null}`}, {oidPart, `(1,"")`, `{"n":1,"the \"name\"":""}`}, {oidPart, `(1,"a ""b"" \\ \"")`, `{"n":1,"the \"name\"":"a \"b\" \\ \""}`},
		{oidPart, "(1)", `{"n":1}`}, {oidPart, "(1,b c)", `{"n":1,"the \"name\"":"b c"}`}, {oidEmpty, "()", "{}"},
		{oidParts, `{"(1,a)",NULL,"(2,\"x \"\"y\"\"\")"}`, `[{"n":1,"the \"name\"":"a"},null,{"n":2,"the \"name\"":"x \"y\""}]`},
		{oidWhole, `("(1,""a b"")","{""(2,c)"",""(3,\\""d\\"")""}","2024-07-01 12:00:00+00")`,
			`{"part":{"n":1,"the \"name\"":"a b"},"parts":[{"n":2,"the \"name\"":"c"},{"n":3,"the \"name\"":"d"}],"at":"2024-07-01T12:00:00+00:00"}`},
		{oidJSONRow, `("{""a"": ""b""}",)`, `{"j":{"a": "b"},"k":null}`}, {oidDomain, "{a}", `["a"]`}, {oidDomains, `{"{a,b}",NULL,"{}"}`, `[["a","b"],null,[]]`},
		{oidHstore, `"a"=>"1"`, `"\"a\"=>\"1\""`},
	} {
		got, err := types.Append([]byte("before:"), c.oid, []byte(c.text))
		if err != nil || string(got) != "before:"+c.want {
			t.Errorf("%d %q: %s, %v, want %s", c.oid, c.text, got, err, c.want)
		}
	}
}

// TestMalformedTextIsAnError proves that malformed text is an error which names the type and no part of the value, and that dst stays
// unchanged.
func TestMalformedTextIsAnError(t *testing.T) {
	types := loadedTypes()
	for _, c := range []struct {
		oid        uint32
		name, text string
	}{
		{oidBool, "boolean", "secret"}, {oidJSON, "json", ""},
		{oidTimestamp, "timestamp", "01.07.2024 12:00:00"}, {oidTimestamp, "timestamp", "2024-07-01"}, {oidTimestamp, "timestamp", "2024-07-01 12:00:00+00"}, {oidTimestamp, "timestamp", "2024-07-01 secret"},
		{oidTimestampTZ, "timestamp", "2024-07-01 12:00:00"}, {oidTimestampTZ, "timestamp", "2024-07-01 12:00:00 CET"}, {oidTimestampTZ, "timestamp", `2024-07-01 12:00:00+00"`}, {oidTimestampTZ, "timestamp", ""},
		{oidTexts, "text[]", ""}, {oidTexts, "text[]", "secret"}, {oidTexts, "text[]", "{secret"}, {oidTexts, "text[]", "{secret}}"}, {oidTexts, "text[]", `{"secret}`}, {oidTexts, "text[]", `{"secret\`}, {oidTexts, "text[]", "{secret,}"},
		{oidTexts, "text[]", "{,secret}"}, {oidTexts, "text[]", "{secret}x"}, {oidTexts, "text[]", `{"a"secret}`}, {oidTexts, "text[]", `{"a""secret"}`}, {oidTexts, "text[]", "{secret{a}}"}, {oidTexts, "text[]", "[0:1]secret"}, {oidTexts, "text[]", "{{}}"},
		{oidTexts, "text[]", "{{{{{{{secret}}}}}}}"}, {oidTexts, "text[]", `{sec\ret}`}, {oidTimestampTZs, "timestamp with time zone", "{secret}"}, {oidInt2Vector, "int2vector", "1  2"}, {oidInt2Vector, "int2vector", "1 "},
		{oidPart, "part", ""}, {oidPart, "part", "secret"}, {oidPart, "part", "(1,secret"}, {oidPart, "part", `(1,"secret`}, {oidPart, "part", `(1,"secret\`}, {oidPart, "part", "(1,secret)x"}, {oidPart, "part", `(1,"a"secret)`},
		{oidPart, "part", "(1,(secret)"}, {oidPart, "part", "(1,secret,3)"}, {oidEmpty, "empty", "(secret)"}, {oidParts, "part", `{"(1,secret,3)"}`}, {oidParts, "part[]", "{(1)}x"}, {999, "999", "secret"},
	} {
		got, err := types.Append([]byte("before"), c.oid, []byte(c.text))
		if err == nil || string(got) != "before" || !strings.Contains(err.Error(), c.name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d %q: %s, %v", c.oid, c.text, got, err)
		}
	}
	if got, err := types.Append(nil, oidPart, []byte(`(1,"a ""b""")`)); err != nil || string(got) != `{"n":1,"the \"name\"":"a \"b\""}` {
		t.Errorf("after errors: %s, %v", got, err)
	}
}

func TestInexactNamesTypesWithCasts(t *testing.T) {
	types := loadedTypes()
	for oid, want := range map[uint32]string{oidText: "", oidWhole: "", oidHstore: "public.hstore", oidHstores: "public.hstore", oidWithHstore: "public.hstore", oidListOfInts: "list", 999: ""} {
		if got := strings.Join(types.Inexact(oid), " "); got != want {
			t.Errorf("%d: %q, want %q", oid, got, want)
		}
	}
}

func FuzzAppend(f *testing.F) {
	types := loadedTypes()
	structural := []uint32{oidWhole, oidBool, oidTimestamp, oidTimestampTZ, oidNumeric, oidText, oidTexts, oidBoxes, oidVectors, oidInt2Vector, oidPart, oidParts, oidEmpty, oidDomains, oidWithHstore}
	for i, text := range []string{
		`("(1,""a b"")","{""(2,c)"",""(3,\\""d\\"")""}","2024-07-01 12:00:00+00")`, "t", "2024-07-01 12:00:00 BC", "2024-07-01 12:00:00.5+05:30 BC", "-1.5e+10", "a\x01\"", `[0:1]={{"a\"",NULL},{b,c}}`,
		"{(1,1),(0,0);NULL}", `{"1 2",3}`, "1 2", `(1,"")`, `{"(1,\"a \"\"\")"}`, "()", `{"{a}"}`, `(a,"{""\\""a\\""=>NULL""}")`,
	} {
		f.Add(i, text)
	}
	f.Fuzz(func(t *testing.T, i int, text string) {
		got, err := types.Append(nil, structural[uint(i)%uint(len(structural))], []byte(text))
		if err != nil && len(got) > 0 || len(types.scratch) != 0 {
			t.Errorf("%q leaves %q and %d bytes of scratch: %v", text, got, len(types.scratch), err)
		}
		if err == nil && utf8.ValidString(text) && !json.Valid(got) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
