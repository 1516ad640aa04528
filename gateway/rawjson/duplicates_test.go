package rawjson

import "testing"

func TestHasDuplicateKeys(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: false, `[]`: false, `1`: false, `"a"`: false, `{"a":1,"b":{"a":1}}`: false, `[{"a":1},{"a":2}]`: false, `{"a":1,"A":2}`: false, `{"a":[{"b":1}],"b":2}`: false,
		`{"a":1,"a":2}`: true, `{"a":1,"\u0061":2}`: true, `{"b":{"a":1,"c":{},"a":2}}`: true, `[[],{"x":[{"a":1,"b":[2],"a":3}]}]`: true, `{"a":{"b":1},"c":[],"a":null}`: true,
	} {
		if got := HasDuplicateKeys([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
