package config

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// dotenvCases are texts and their variables according to the package dotenv 16.6.1 of Node.js, whose
// parse was called once for this table.
var dotenvCases = []struct {
	text string
	want map[string]string
}{
	{"A=1", map[string]string{"A": "1"}},
	{"A = 1", map[string]string{"A": "1"}},
	{"A=  spaced out  ", map[string]string{"A": "spaced out"}},
	{"A=", map[string]string{"A": ""}},
	{"A=\nB=2", map[string]string{"A": "", "B": "2"}},
	{"A=\"\"", map[string]string{"A": ""}},
	{"A=''", map[string]string{"A": ""}},
	{"A=``", map[string]string{"A": ""}},
	{"export A=1", map[string]string{"A": "1"}},
	{"export  A = 1", map[string]string{"A": "1"}},
	{"export=1", map[string]string{"export": "1"}},
	{" \t A=1", map[string]string{"A": "1"}},
	{"A=postgres://u:p$w@db/x?a=b", map[string]string{"A": "postgres://u:p$w@db/x?a=b"}},
	{"A=${HOME}", map[string]string{"A": "${HOME}"}},
	{"A=$HOME-$$", map[string]string{"A": "$HOME-$$"}},
	{"A=\"$HOME\"", map[string]string{"A": "$HOME"}},
	{"# A=1", map[string]string{}},
	{"A=1 # why", map[string]string{"A": "1"}},
	{"A=1#why", map[string]string{"A": "1"}},
	{"A=\"1 # 2\" # why", map[string]string{"A": "1 # 2"}},
	{"A='1 # 2'#why", map[string]string{"A": "1 # 2"}},
	{"A=`1 # 2`", map[string]string{"A": "1 # 2"}},
	{"A=#why", map[string]string{"A": ""}},
	{"A=# why\nB=2", map[string]string{"A": "", "B": "2"}},
	{"A=\"say 'hi'\"", map[string]string{"A": "say 'hi'"}},
	{"A='say \"hi\"'", map[string]string{"A": "say \"hi\""}},
	{"A=`it's \"so\"`", map[string]string{"A": "it's \"so\""}},
	{"A=it's", map[string]string{"A": "it's"}},
	{"A=\"a\" b", map[string]string{"A": "\"a\" b"}},
	{"A=\"a\" b\"", map[string]string{"A": "a\" b"}},
	{"A='a' b", map[string]string{"A": "'a' b"}},
	{"A='a\\' b'", map[string]string{"A": "a\\' b"}},
	{"A=\"a\\\"b\"", map[string]string{"A": "a\\\"b"}},
	{"A=\"a\\\"b", map[string]string{"A": "\"a\\\"b"}},
	{"A=\"a", map[string]string{"A": "\"a"}},
	{"A='a # b", map[string]string{"A": "'a"}},
	{"A=\"", map[string]string{"A": "\""}},
	{"A='it's'", map[string]string{"A": "it's"}},
	{"A=\"a\\nb\"", map[string]string{"A": "a\nb"}},
	{"A='a\\nb'", map[string]string{"A": "a\\nb"}},
	{"A=a\\nb", map[string]string{"A": "a\\nb"}},
	{"A=`a\\nb`", map[string]string{"A": "a\\nb"}},
	{"A=\"a\\rb\\tc\\\\n\"", map[string]string{"A": "a\rb\\tc\\\n"}},
	{"A=\"unclosed\\nB", map[string]string{"A": "\"unclosed\nB"}},
	{"A=\"one\ntwo\"\nB=3", map[string]string{"A": "one\ntwo", "B": "3"}},
	{"A='-----BEGIN-----\nMII=\n# no\n-----END-----'\nB=3", map[string]string{"A": "-----BEGIN-----\nMII=\n# no\n-----END-----", "B": "3"}},
	{"A=`one\ntwo`", map[string]string{"A": "one\ntwo"}},
	{"A=\"one\nB=2", map[string]string{"A": "\"one", "B": "2"}},
	{"A=1\r\nB=2\r\n", map[string]string{"A": "1", "B": "2"}},
	{"A=\"1\r\n2\"\r\nB=2\rC=3", map[string]string{"A": "1\n2", "B": "2", "C": "3"}},
	{"\ufeffA=1", map[string]string{"A": "1"}},
	{"\ufeff# c\nA=1", map[string]string{"A": "1"}},
	{"A-B=1\nA.B=2\n1A=3\n_=4\na=5", map[string]string{"A-B": "1", "A.B": "2", "1A": "3", "_": "4", "a": "5"}},
	{"A B=1", map[string]string{}},
	{"A", map[string]string{}},
	{"A\nB=2", map[string]string{"B": "2"}},
	{"just words", map[string]string{}},
	{"=1", map[string]string{}},
	{"A: 1", map[string]string{"A": "1"}},
	{"A:1", map[string]string{}},
	{"A: \"x\"", map[string]string{"A": "x"}},
	{"A:  x # y", map[string]string{"A": "x"}},
	{"A\n=1", map[string]string{"A": "1"}},
	{"A+=1", map[string]string{}},
	{"A[0]=1", map[string]string{}},
	{"Ä=1", map[string]string{}},
	{"A=1\nA=2", map[string]string{"A": "2"}},
	{"A=1\nA=", map[string]string{"A": ""}},
	{"A=\n\"x\"", map[string]string{"A": "x"}},
	{"A==1", map[string]string{"A": "=1"}},
	{"A=a=b", map[string]string{"A": "a=b"}},
	{"A=a;B=b", map[string]string{"A": "a;B=b"}},
	{"A=1 \u00a0", map[string]string{"A": "1"}},
	{"A=tab\there", map[string]string{"A": "tab\there"}},
	{"A=é", map[string]string{"A": "é"}},
	{"A=\"x\"#y", map[string]string{"A": "x"}},
	{"A=\"x\" y # z", map[string]string{"A": "\"x\" y"}},
	{"A=\"x'", map[string]string{"A": "\"x'"}},
	{"A=\\#1", map[string]string{"A": "\\"}},
	{"FOO-BAR=1", map[string]string{"FOO-BAR": "1"}},
	{"A=`a\"b'c`", map[string]string{"A": "a\"b'c"}},
	{"A=\"a\\$b\"", map[string]string{"A": "a\\$b"}},
	{"A=\\$1", map[string]string{"A": "\\$1"}},
	{"A=a`b # c", map[string]string{"A": "a`b"}},
	{"A=`a # b` `c`", map[string]string{"A": "`a"}},
	{"\ufeffexport A=1", map[string]string{"A": "1"}},
	{"A='it''s'", map[string]string{"A": "it''s"}},
	{"A=\u00a0x", map[string]string{"A": "x"}},
	{"A:   'x#y'", map[string]string{"A": "x#y"}},
	{"DATABASE_URL=postgresql://postgres:p%40ss@localhost:5432/orders\nREDIS_URL=redis://localhost:6379\n\n# the server\nPORT=8080\nWS_URL=ws://localhost:8080\n", map[string]string{"DATABASE_URL": "postgresql://postgres:p%40ss@localhost:5432/orders", "REDIS_URL": "redis://localhost:6379", "PORT": "8080", "WS_URL": "ws://localhost:8080"}},
}

func TestDotenvReadsAsNodeDoes(t *testing.T) {
	for _, tc := range dotenvCases {
		got, err := parseDotenv([]byte(tc.text))
		if err != nil || !maps.Equal(got.vars, tc.want) {
			t.Errorf("%q\ngives %q, %v\nwant  %q", tc.text, got.vars, err, tc.want)
		}
	}
}

// TestDotenvWarnings proves that ignored and suspicious lines are reported by number, and not quoted.
func TestDotenvWarnings(t *testing.T) {
	for text, want := range map[string]string{
		"# c\nA=1\n\nB='x # y' # z\n":                "",
		"A=1\ns3cret\n\n  s3cret too\nB=2\n":         "2 " + warnNoAssignment + ", 4 " + warnNoAssignment,
		"A=\"one\ntwo\"\nB='s3cret\nC=3":             "3 " + warnQuotes,
		"A=\"s3cret\" more":                          "1 " + warnQuotes,
		"A=s3cret#more\nB=\"s3cret#more\"\nC=x #y\n": "1 " + warnComment,
		"\nA='s3cret#more":                           "2 " + warnComment + ", 2 " + warnQuotes,
	} {
		parsed, err := parseDotenv([]byte(text))
		var got []string
		for _, w := range parsed.warnings {
			got = append(got, fmt.Sprint(w.line, " ", w.text))
		}
		if strings.Join(got, ", ") != want || err != nil {
			t.Errorf("%q\ngives %v, %v\nwant  %s", text, got, err, want)
		}
	}
	if _, err := parseDotenv([]byte("\xff\xfeA\x00=\x001\x00")); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("UTF-16: %v", err)
	}
	if got, err := parseDotenv([]byte("A=\xe9x")); err != nil || got.vars["A"] != "\ufffdx" {
		t.Errorf("what is no UTF-8: %q, %v", got.vars, err)
	}
}

// TestDotenvIsLinear proves that files are parsed in time that would cost hours with backtracking.
func TestDotenvIsLinear(t *testing.T) {
	const n = 1 << 20
	for _, text := range []string{
		strings.Repeat("A=\"\n", n/4), strings.Repeat("A='\\'\\'\n", n/8), "A=\"" + strings.Repeat("\\\" ", n/3), strings.Repeat("\n", n),
		"A=" + strings.Repeat(" \n", n/2), strings.Repeat("A\n", n/2), strings.Repeat("export ", n/7), strings.Repeat("a", n),
		strings.Repeat("A=\"\\\"\nB='\\'\nC=`\\`\n", n/20),
	} {
		got, err := parseDotenv([]byte(text)) // bounded by the deadline of the test
		if err != nil || len(got.vars) > 3 {
			t.Errorf("%.20q: %d variables, %v", text, len(got.vars), err)
		}
	}
}
