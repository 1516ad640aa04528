package rawjson

import (
	"bytes"
	"encoding/json"
)

// HasDuplicateKeys reports whether an object in b, at any depth, has a name several times: most
// readers use the last member only. b must be JSON.
func HasDuplicateKeys(b []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return hasDuplicates(dec)
}

// hasDuplicates reads the next value, and reports whether it has a name several times.
func hasDuplicates(dec *json.Decoder) bool {
	t, _ := dec.Token() // cannot fail: the text is valid
	delim, _ := t.(json.Delim)
	if delim == 0 {
		return false
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			key, _ := dec.Token()
			name, _ := key.(string)
			if seen[name] {
				return true
			}
			seen[name] = true
		}
		if hasDuplicates(dec) {
			return true
		}
	}
	_, _ = dec.Token() // its end
	return false
}
