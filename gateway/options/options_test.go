package options

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSecretsNeverShow proves that secrets do not show in any format, in JSON, in a log, or in errors.
func TestSecretsNeverShow(t *testing.T) {
	v := struct {
		S Secret
		U URL
	}{NewSecret("hunter2"), NewURL("postgres://user:hunter2@db/x?sslpassword=hunter2&sslmode=require")}
	js, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", v.S, "url", v.U, "both", v)
	for _, got := range []string{
		fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%s %v %q", v.S, v.U, v.U), string(js), log.String(),
	} {
		if strings.Contains(got, "hunter2") {
			t.Errorf("shows the secret: %s", got)
		}
	}
	for text, want := range map[string]string{
		"redis://hunter2@bus":            "redis://***@bus",
		"https://h/x?sig=hunter2&port=1": "https://h/***", // of the web: the path may be secret
		"https://h/":                     "https://h/",
		"redis://bus/1?sig=hunter2&db=1": "redis://bus/1?sig=***&db=1",
		"https://h/?p%61ssword=hunter2":  "https://h/***",
		"redis://h/?p%61ssword=hunter2":  "redis://h/?p%61ssword=***",
		"postgres://user:p@hunter2@db/x": "postgres://***",
		"redis://:a@hunter2@db":          "redis://***",
		"redis://:a@hunter2@db/%zz":      "redis://***",
		"hunter2":                        "://***",
		"postgres:///db?host=/tmp&x=":    "postgres:///db?host=/tmp&x=***",
	} {
		if got := NewURL(text).String(); got != want {
			t.Errorf("%s prints as %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"postgres://user:1/hunter2@host/db", "postgres://u:12#hunter2@h/", "redis://u:12?hunter2@h", "postgres://u:%zz@h"} {
		if err := new(URL).UnmarshalText([]byte(text)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if v.S.Reveal() != "hunter2" || !strings.Contains(v.U.Reveal(), ":hunter2@") {
		t.Error("Reveal returns no secret")
	}
	if got := v.U.String(); got != "postgres://user:***@db/x?sslpassword=***&sslmode=require" {
		t.Errorf("URL prints as %s", got)
	}
}

// TestTextRoundTrip proves that durations and sizes are read as they are written, and other text is refused.
func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "duration"))
		var d2 Duration
		if err := d2.UnmarshalText([]byte(d.String())); err != nil || d2 != d {
			t.Fatalf("%s was read as %s, %v", d, d2, err)
		}
		s := Size(rapid.Int64Range(0, 1<<50).Draw(t, "size"))
		var s2 Size
		if err := s2.UnmarshalText([]byte(s.String())); err != nil || s2 != s {
			t.Fatalf("%s was read as %s, %v", s, s2, err)
		}
	})
	for text, want := range map[string]Size{"1KiB": 1024, "1 MB": 1e6, "7": 7, "2GiB": 2 << 30, "5B": 5} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s is %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1TB", "9999999999GiB", "1.5MiB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a size", text)
		}
	}
	for _, text := range []string{"", "10", "-1s", "d", "1w", "99999999d"} {
		if err := new(Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a duration", text)
		}
	}
	var week Duration
	if err := week.UnmarshalText([]byte("7d")); err != nil || week.D() != 7*24*time.Hour {
		t.Errorf("7d is %s, %v", week, err)
	}
}

// TestUnknownNameSuggests proves that the problem of an unknown name suggests a similar name, or lists all.
func TestUnknownNameSuggests(t *testing.T) {
	known := []string{"channels", "url", "heartbeat"}
	for got, want := range map[string]string{
		"chanels": `(did you mean "channels"?)`, "URL": `(did you mean "url"?)`, "hartbeat": `(did you mean "heartbeat"?)`,
		"password": "(known: channels, heartbeat, url)",
	} {
		if text := UnknownName("option", got, known); !strings.HasSuffix(text, want) {
			t.Errorf("%s: %s, want %s", got, text, want)
		}
	}
}

type nested struct {
	Count int `koanf:"count" rule:"min=1,max=3" doc:"how many"`
}

type sample struct {
	Name   string      `koanf:"name" rule:"required" doc:"who"`
	On     bool        `koanf:"on" doc:"whether"`
	Nested nested      `koanf:"nested"`
	Fields Map[string] `koanf:"fields" doc:"in order"`
	Wait   Duration    `koanf:"wait" rule:"min=1s" doc:"how long"`
}

// TestDecodeKeepsDefaultsAndReportsAllProblems proves that missing options keep their defaults and that Decode reports
// every problem.
func TestDecodeKeepsDefaultsAndReportsAllProblems(t *testing.T) {
	s := sample{Nested: nested{Count: 2}, Wait: Duration(time.Second)}
	var d Decoder
	d.Decode("at", map[string]any{"name": Expanded("x"), "on": Expanded("true"), "fields": map[string]any{"b": "1", "a": "2"}}, &s)
	if len(d.Problems) > 0 || s.Name != "x" || !s.On || s.Nested.Count != 2 || len(s.Fields) != 2 {
		t.Errorf("%+v, %v", s, d.Problems)
	}
	d = Decoder{}
	d.Decode("at", map[string]any{"on": "true", "nested": map[string]any{"count": 4, "cuont": 1}, "wait": "1ms", "fields": []any{}}, &s2)
	want := []string{
		`at.name: is required`,
		`at.on: must be true or false, not the text "true"`,
		`at.nested.cuont: unknown option (did you mean "count"?)`,
		`at.nested.count: must be at most 3`,
		`at.fields: must be a mapping, not a list`,
		`at.wait: must be at least 1s`,
	}
	if got := d.Problems.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

var s2 sample

// TestMarkdownUsesTags proves that the table of a README has the names, types and texts of the tags.
func TestMarkdownUsesTags(t *testing.T) {
	got := Markdown(Rows(&sample{Nested: nested{Count: 2}}))
	want := "| option | type | default | meaning |\n| --- | --- | --- | --- |\n" +
		"| `name` | text | required | who |\n| `on` | true or false | `false` | whether |\n" +
		"| `nested.count` | integer | `2` | how many |\n| `fields` | mapping of text |  | in order |\n| `wait` | duration |  | how long |\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{"10.1.2.3": "10.1.2.3/32", "10.1.2.3/8": "10.0.0.0/8", "::1": "::1/128", "::ffff:10.0.0.1": "10.0.0.1/32", "fe80::1%eth0": "", "proxy.example": "", "10.0.0.0/33": ""} {
		var n Network
		err := n.UnmarshalText([]byte(text))
		if n.String() != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", text, n, err)
		}
	}
	if n := NewNetwork("10.0.0.0/8"); !n.Contains(netip.MustParseAddr("::ffff:10.9.9.9")) || n.Contains(netip.MustParseAddr("11.0.0.1")) {
		t.Error("Contains is wrong")
	}
}

// documented has texts in a method Docs.
type documented struct {
	Name string `koanf:"name" doc:"who"`
	In   inner  `koanf:"in"`
}

type inner struct {
	Wait Duration `koanf:"wait" doc:"how long"`
	Long Duration `koanf:"long" doc:"one two three four five six seven eight nine ten one two three four five six seven eight nine ten one two three four five six seven eight nine ten"`
}

func (documented) Docs() map[string]string { return map[string]string{"name": "Empty: nobody"} }
func (*inner) Docs() map[string]string {
	return map[string]string{"wait": "0s: not at all", "wiat": "x"}
}

// TestDocs proves that the texts of Docs follow those of the tags, and that Lint reports long tags and unknown names.
func TestDocs(t *testing.T) {
	got := Rows(&documented{})
	if got[0].Doc != "who. Empty: nobody" || got[1].Doc != "how long. 0s: not at all" {
		t.Errorf("%+v", got)
	}
	want := []string{"the field Long: the tag of the option in.long has 165 columns", "Docs has a text for in.wiat"}
	problems := Lint(&documented{})
	if len(problems) != len(want) || !strings.HasPrefix(problems[0], want[0]) || !strings.HasPrefix(problems[1], want[1]) {
		t.Errorf("%q", problems)
	}
}

// TestRatio proves that a ratio is a number from 0 to 1, or a percentage.
func TestRatio(t *testing.T) {
	for text, want := range map[string]Ratio{"0": 0, "1": 1, "0.1": 0.1, "1e-3": 0.001, "10%": 0.1, "100%": 1, "0.5%": 0.005} {
		var r, again Ratio
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %v, %v", text, r, err)
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%s: %v, %v", r, again, err)
		}
	}
	for _, text := range []string{"", "-0.1", "1.1", "101%", "NaN", "Inf", "half", "%"} {
		if err := new(Ratio).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
