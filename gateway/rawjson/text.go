package rawjson

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Text returns the decoded text of a JSON string. Bytes that are not UTF-8 and
// lone surrogates become U+FFFD, as with encoding/json.
func Text(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if plainText(inner) {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // cannot fail: the scanner has accepted it
	return s
}

// plainText reports whether text has no escapes and is UTF-8.
func plainText(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c >= utf8.RuneSelf {
			return bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text)
		}
	}
	return true
}

// keyIs reports whether a key, with its quotes, denotes name.
func keyIs(quoted []byte, name string) bool {
	if len(quoted) <= len(name)+2 { // escapes make it longer
		return len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name
	}
	return bytes.IndexByte(quoted, '\\') >= 0 && Text(quoted) == name
}

// AppendText appends text as a JSON string. Characters are not escaped for HTML, as
// JavaScript's JSON.stringify does not.
func AppendText(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendEscaped(dst, text)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

func appendEscaped(dst []byte, text string) []byte {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // cannot fail for text
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
