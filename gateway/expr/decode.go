package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"eventgateway/gateway/rawjson"
)

// decode returns the Go value of a JSON text.
func decode(raw []byte) any {
	switch raw[0] {
	case '"':
		return rawjson.Text(raw)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	case '{', '[':
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			panic(fmt.Errorf("a part of the payload cannot be decoded: %w", err)) // cannot happen: the scanner has accepted it
		}
		return numbers(v)
	}
	return number(string(raw))
}

// numbers replaces each json.Number in a decoded value by an integer or a float.
func numbers(v any) any {
	switch t := v.(type) {
	case json.Number:
		return number(string(t))
	case []any:
		for i, item := range t {
			t[i] = numbers(item)
		}
	case map[string]any:
		for name, member := range t {
			switch member.(type) {
			case json.Number, []any, map[string]any:
				t[name] = numbers(member)
			}
		}
	}
	return v
}

// number returns an integer if text is an integer that fits an int, else a float.
func number(text string) any {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // a number that is too large becomes infinite
	return f
}
