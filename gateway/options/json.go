package options

import "encoding/json"

// JSON returns the JSON of an option of type any, as it was decoded. A text is JSON itself. A variable in it is a number, a boolean
// or null if its value is one, else a text.
func JSON(raw any) ([]byte, error) {
	switch t := raw.(type) {
	case string:
		return []byte(t), nil
	case Expanded:
		return []byte(t), nil
	}
	return json.Marshal(expanded(raw))
}

// expanded replaces variables by their values.
func expanded(raw any) any {
	switch t := raw.(type) {
	case Expanded:
		var scalar any
		if json.Unmarshal([]byte(t), &scalar) == nil {
			return json.RawMessage(t)
		}
		return string(t)
	case []any:
		out := make([]any, len(t))
		for i := range t {
			out[i] = expanded(t[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(t))
		for name := range t {
			out[name] = expanded(t[name])
		}
		return out
	}
	return raw
}
