package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"eventgateway/gateway/rawjson"
)

// AppendJSON appends the JSON of an expression's result. Times are
// written as [ISOMillis]. Characters are not escaped for HTML, as with JavaScript's
// JSON.stringify.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	switch t := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, t), nil
	case int:
		return strconv.AppendInt(dst, int64(t), 10), nil
	case string:
		return rawjson.AppendText(dst, t), nil
	case time.Time:
		return append(appendTime(append(dst, '"'), t), '"'), nil
	}
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, fmt.Errorf("a value of type %T cannot be written as JSON: %w", v, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// ISOMillis is the layout in which the gateway writes times: ISO 8601 in UTC with milliseconds,
// as JavaScript's Date.toISOString does.
const ISOMillis = "2006-01-02T15:04:05.000Z"

// appendTime appends t in the layout [ISOMillis]. It uses RFC 3339, the only layout that package time formats fast.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	dst = t.AppendFormat(dst, time.RFC3339)
	millis := t.Nanosecond() / 1e6
	return append(dst[:len(dst)-1], '.', byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10), 'Z')
}
