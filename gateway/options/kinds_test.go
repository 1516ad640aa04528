package options

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// kinds has an option of each kind.
type kinds struct {
	Text     string        `koanf:"text" rule:"max=5" doc:"a text"`
	Choice   string        `koanf:"choice" rule:"oneof=a|b" doc:"a choice"`
	On       bool          `koanf:"on" doc:"a switch"`
	Int      int           `koanf:"int" rule:"min=-2,max=9" doc:"an integer"`
	Small    int8          `koanf:"small" doc:"an integer of 8 bits"`
	Uint     uint          `koanf:"uint" doc:"an integer without a sign"`
	Byte     uint8         `koanf:"byte" doc:"an integer of 8 bits without a sign"`
	Float    float64       `koanf:"float" rule:"min=0.5,max=2" doc:"a number"`
	Ratio    Ratio         `koanf:"ratio" doc:"a part"`
	Wait     Duration      `koanf:"wait" doc:"a duration"`
	Size     Size          `koanf:"size" doc:"a size"`
	Password Secret        `koanf:"password" doc:"a secret"`
	File     File          `koanf:"file" doc:"a file"`
	URL      URL           `koanf:"url" rule:"scheme=http" doc:"a URL"`
	List     []string      `koanf:"list" doc:"a list"`
	Numbers  []float64     `koanf:"numbers" doc:"a list of numbers"`
	Map      Map[string]   `koanf:"map" doc:"a mapping"`
	Nested   nestedKind    `koanf:"nested"`
	Items    []nestedKind  `koanf:"items" doc:"a list of mappings"`
	Named    Map[nestKind] `koanf:"named" doc:"a mapping of mappings"`
	Any      any           `koanf:"any" doc:"anything"`
}

type nestedKind struct {
	Name string `koanf:"name" rule:"required" doc:"a name"`
}

type nestKind struct {
	Weight float64 `koanf:"weight" rule:"min=0" doc:"a weight"`
}

func defaultKinds() *kinds { return &kinds{Choice: "a", Float: 1, Nested: nestedKind{"n"}} }

// TestEveryKind proves that each kind of option is decoded from a literal and from an environment variable, listed, in the schema, and refused
// with its path where it is wrong.
func TestEveryKind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if problems := Lint(defaultKinds()); len(problems) > 0 {
		t.Fatal(problems)
	}
	item := func(name string) map[string]any { return map[string]any{"name": name} }
	for _, tc := range []struct {
		option        string
		literal, want any
		expanded      string // "": it cannot be one text
		bad           any
		problem       string
	}{
		{"text", "abc", "abc", "abc", 1, "text: must be text"},
		{"choice", "b", "b", "b", "c", `choice: unknown value "c"`},
		{"on", true, "true", "true", "yes", "on: must be true or false"},
		{"int", -1, "-1", "-1", 1.5, "int: must be an integer, not the number 1.5"},
		{"small", 127, "127", "127", 128, "small: must be an integer from -128 to 127, not the number 128"},
		{"uint", 7, "7", "7", -1, "uint: must be an integer of at least 0, not the number -1"},
		{"uint", uint64(1 << 63), "9223372036854775808", "9223372036854775808", "7", "uint: must be an integer"},
		{"byte", 255, "255", "255", 256, "byte: must be an integer from 0 to 255"},
		{"float", 1.5, "1.5", "1.5", "1.5", "float: must be a number"},
		{"float", 2, "2", "2", 2.5, "float: must be at most 2"},
		{"float", 0.5, "0.5", "0.5", 0, "float: must be at least 0.5"},
		{"ratio", 0.25, "0.25", "25%", 2, "ratio: "},
		{"wait", "5s", "5s", "5s", "5", "wait: "},
		{"size", "1KiB", "1KiB", "1KiB", "x", "size: "},
		{"password", "p", "***", "p", 1, "password: must be text, not a number"},
		{"file", file, file, file, "/nowhere", "file: cannot be read"},
		{"url", "http://h", "http://h", "http://h", "redis://h", "url: must begin with http://"},
		{"list", []any{"a", "b"}, "[a b]", "a,b", "a", "list: must be a list"},
		{"numbers", []any{1, 2.5}, "[1 2.5]", "1,2.5", []any{"x"}, "numbers[0]: must be a number"},
		{"map", map[string]any{"k": "v"}, "[{k v}]", "", []any{"a"}, "map: must be a mapping"},
		{"nested", item("x"), "{x}", "", map[string]any{"nam": "x"}, "nested.nam: unknown option"},
		{"items", []any{item("x"), item("y")}, "[{x} {y}]", "", []any{item("x"), map[string]any{}}, "items[1].name: is required"},
		{"named", map[string]any{"a": map[string]any{"weight": 2}}, "[{a {2}}]", "", map[string]any{"a": map[string]any{"weight": -2}}, "named.a.weight: must be at least 0"},
	} {
		values := []any{tc.literal}
		if tc.expanded != "" {
			values = append(values, Expanded(tc.expanded))
		}
		for _, value := range values {
			o, d := defaultKinds(), Decoder{}
			d.Decode("", map[string]any{tc.option: value}, o)
			if len(d.Problems) > 0 || !slices.Contains(texts(o), fmt.Sprint(tc.want)) {
				t.Errorf("%s: %v: %v, want %v, problems %v", tc.option, value, texts(o), tc.want, d.Problems)
			}
		}
		d := Decoder{}
		d.Decode("", map[string]any{tc.option: tc.bad}, defaultKinds())
		if len(d.Problems) != 1 || !strings.HasPrefix(d.Problems[0].Error(), tc.problem) {
			t.Errorf("%s: %v: problems %v, want %s", tc.option, tc.bad, d.Problems, tc.problem)
		}
	}
}

// texts returns the values of all options.
func texts(o *kinds) []string {
	return []string{
		o.Text, o.Choice, fmt.Sprint(o.On), fmt.Sprint(o.Int), fmt.Sprint(o.Small), fmt.Sprint(o.Uint), fmt.Sprint(o.Byte), fmt.Sprint(o.Float), o.Ratio.String(), o.Wait.String(), o.Size.String(),
		o.Password.String(), o.File.String(), o.URL.String(), fmt.Sprint(o.List), fmt.Sprint(o.Numbers), fmt.Sprint(o.Map), fmt.Sprint(o.Nested), fmt.Sprint(o.Items), fmt.Sprint(o.Named),
	}
}

// TestKindsAreListed proves that the table and the schema have each kind, and the options of structs in lists and mappings.
func TestKindsAreListed(t *testing.T) {
	table := Markdown(Rows(defaultKinds()))
	for _, row := range []string{
		"| `small` | integer | `0` |", "| `uint` | integer | `0` |", "| `float` | number | `1` |", "| `numbers` | list of number |  |", "| `items` | list of mappings |  |",
		"| `items[].name` | text | required |", "| `named` | mapping of mappings |  |", "| `named.*.weight` | number | `0` |", "| `nested.name` | text | `n` |", "| `map` | mapping of text |  |",
	} {
		if !strings.Contains(table, row) {
			t.Errorf("%s is not in the table:\n%s", row, table)
		}
	}
	text, err := json.Marshal(Schema(defaultKinds()))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"minimum":0,"type":"integer"}`, `{"maximum":2,"minimum":0.5,"type":"number"}`, `"weight":{`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is not in the schema:\n%s", part, text)
		}
	}
}

// TestLintNamesTheField proves that a kind or a rule that is not supported is a problem with the name of the field, and no panic.
func TestLintNamesTheField(t *testing.T) {
	type entry struct {
		Hidden string `koanf:"hidden"`
	}
	for want, defaults := range map[string]any{
		"the field A: the option a has the type map[string]int, which is not supported: use options.Map[int]": &struct {
			A map[string]int `koanf:"a" doc:"a"`
		}{},
		"the field A: the option a has the type *int, which is not supported: use int": &struct {
			A *int `koanf:"a" doc:"a"`
		}{},
		"the field A: the option a has the type complex128, which is not supported: use a text": &struct {
			A complex128 `koanf:"a" doc:"a"`
		}{},
		"the field Hidden: the option a[].hidden has no doc tag": &struct {
			A []entry `koanf:"a" doc:"a"`
		}{},
		`the field A: the option a: the rule "max=1h" does not fit the type string`: &struct {
			A string `koanf:"a" rule:"max=1h" doc:"a"`
		}{},
		`the field A: the option a: the rule "min=1" does not fit the type bool`: &struct {
			A bool `koanf:"a" rule:"min=1" doc:"a"`
		}{},
		"the field A: the option a: the rule scheme is for options.URL, and not for string": &struct {
			A string `koanf:"a" rule:"scheme=http" doc:"a"`
		}{},
		"the field A: the option a: there is no rule most": &struct {
			A int `koanf:"a" rule:"most=1" doc:"a"`
		}{},
	} {
		problems := Lint(defaults)
		if len(problems) != 1 || !strings.HasPrefix(problems[0], want) {
			t.Errorf("%q, want %q", problems, want)
		}
		if len(problems) == 1 && strings.Contains(problems[0], "not supported") {
			var d Decoder
			d.Decode("", map[string]any{"a": 1}, defaults) // no panic
			if len(d.Problems) != 1 {
				t.Errorf("decoding: %v", d.Problems)
			}
		}
	}
}
