package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"eventgateway/gateway/rawjson"
)

// AppendJSON appends the JSON of a value that an expression gave. Times are
// written as [ISOMillis]; characters are not escaped for HTML, as JavaScript's
// JSON.stringify does not.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	switch t := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return rawjson.AppendText(dst, t), nil
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
