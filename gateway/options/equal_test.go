package options

import (
	"testing"
	"time"
)

type equalSample struct {
	Secret Secret      `koanf:"secret"`
	URL    URL         `koanf:"url"`
	Wait   Duration    `koanf:"wait"`
	List   []string    `koanf:"list"`
	Fields Map[Secret] `koanf:"fields"`
	Any    any         `koanf:"any"`
	Nested struct {
		N int `koanf:"n"`
	} `koanf:"nested"`
}

// TestEqual proves that each single change makes options unequal.
func TestEqual(t *testing.T) {
	make := func(change func(*equalSample)) *equalSample {
		s := &equalSample{
			Secret: NewSecret("a"), URL: NewURL("redis://u:p@h"), Wait: Duration(time.Second), List: []string{"x", "y"},
			Fields: Map[Secret]{{"k", NewSecret("1")}, {"l", NewSecret("2")}},
			Any:    map[string]any{"a": []any{1, "x"}},
		}
		if change != nil {
			change(s)
		}
		return s
	}
	if !Equal(make(nil), make(nil)) {
		t.Error("the same is not equal")
	}
	if !Equal(make(nil), make(func(s *equalSample) { s.URL.fromEnv = true })) {
		t.Error("where a URL comes from does not matter")
	}
	for name, change := range map[string]func(*equalSample){
		"a secret":            func(s *equalSample) { s.Secret = NewSecret("b") },
		"a password":          func(s *equalSample) { s.URL = NewURL("redis://u:q@h") },
		"a duration":          func(s *equalSample) { s.Wait++ },
		"a list's length":     func(s *equalSample) { s.List = s.List[:1] },
		"a list's order":      func(s *equalSample) { s.List = []string{"y", "x"} },
		"a mapping's value":   func(s *equalSample) { s.Fields[1].Value = NewSecret("3") },
		"a mapping's order":   func(s *equalSample) { s.Fields[0], s.Fields[1] = s.Fields[1], s.Fields[0] },
		"something nested":    func(s *equalSample) { s.Nested.N = 1 },
		"something within":    func(s *equalSample) { s.Any = map[string]any{"a": []any{1, "y"}} },
		"something gone":      func(s *equalSample) { s.Any = nil },
		"a list that is gone": func(s *equalSample) { s.List = nil },
	} {
		if Equal(make(nil), make(change)) {
			t.Errorf("%s was changed, and the options are equal", name)
		}
	}
}
