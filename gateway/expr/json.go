package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// AppendJSON appends the JSON of a value that an expression gave. Times are
// written as [ISOMillis]; characters are not escaped for HTML, as JavaScript's
// JSON.stringify does not.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	switch t := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		if plain(t) {
			return append(append(append(dst, '"'), t...), '"'), nil
		}
	case time.Time:
		return append(t.UTC().AppendFormat(append(dst, '"'), ISOMillis), '"'), nil
	}
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, fmt.Errorf("a value of type %T cannot be written as JSON: %w", v, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// plain says whether JSON writes text as it is.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
