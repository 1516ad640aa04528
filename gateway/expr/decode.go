package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"eventgateway/gateway/rawjson"
)

// decode returns what the text of a JSON value stands for.
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
			panic(fmt.Errorf("a part of the payload cannot be decoded: %w", err)) // it was scanned
		}
		return numbers(v)
	}
	return number(string(raw))
}

// numbers replaces the texts of numbers in a decoded value.
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

// number returns an integer where text is one that fits, else a float.
func number(text string) any {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // too large is infinite
	return f
}
