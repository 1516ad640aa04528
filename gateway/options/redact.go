package options

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

const (
	// shortestSecret is the minimum length of a secret that is searched for in text, in bytes:
	// shorter ones would match unrelated text.
	shortestSecret = 4
	// runLength is the minimum number of adjacent bytes of a secret that are hidden anywhere. A secret of fewer bytes is
	// hidden only as a whole word.
	runLength = 8
	// longestWord is the maximum number of letters of a plain word, such as postgres or changeme. A secret that is a
	// plain word is hidden only as a whole word.
	longestWord = 12
)

// Redactor hides secrets in text from servers and libraries, which may repeat a request or an
// argument. It finds a secret in plain text, in any case,
// percent-encoded, quoted, in JSON, in hexadecimal, and in Base64 within other text. It also finds
// any eight adjacent bytes of these, in case the text is cut. A nil Redactor hides nothing. It is
// safe for concurrent use.
type Redactor struct {
	runs  map[uint64]struct{} // of lower-case forms
	words map[string]struct{} // lower-case, hidden if no letter or digit is beside them
}

// NewRedactor returns a Redactor of the secrets in parts. The whole of a text is secret; of a pointer to an
// options struct, every Secret and the secret parts of every URL are.
func NewRedactor(parts ...any) *Redactor {
	r := &Redactor{runs: map[uint64]struct{}{}, words: map[string]struct{}{}}
	for _, p := range parts {
		r.collect(reflect.ValueOf(p))
	}
	return r
}

func (r *Redactor) collect(v reflect.Value) {
	if !v.IsValid() {
		return
	}
	if v.CanInterface() {
		switch t := v.Interface().(type) {
		case Secret:
			r.addSecret(t.text)
			return
		case URL:
			r.addURL(t)
			return
		}
	}
	switch v.Kind() {
	case reflect.String:
		r.add(v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			r.collectParts(v.Elem())
		}
	default:
		r.collectParts(v)
	}
}

// collectParts adds the secrets in a struct or a list; its plain text is no secret.
func (r *Redactor) collectParts(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); v.Type().Field(i).IsExported() && f.Kind() != reflect.String {
				r.collect(f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if f := v.Index(i); f.Kind() != reflect.String {
				r.collect(f)
			}
		}
	}
}

// add adds one secret in all its forms.
func (r *Redactor) add(secret string) {
	if secret = strings.TrimSpace(secret); len(secret) < shortestSecret {
		return
	}
	for _, form := range forms(secret) {
		form = lower(form)
		if len(form) < runLength || isPlainWord(form) {
			r.words[form] = struct{}{}
			continue
		}
		for i := 0; i+runLength <= len(form); i++ {
			r.runs[packRun(form[i:])] = struct{}{}
		}
	}
}

// forms returns the forms in which a secret may occur.
func forms(secret string) []string {
	out := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)),
		unquoted(strconv.Quote(secret)), unquoted(strconv.QuoteToASCII(secret))}
	if text, err := json.Marshal(secret); err == nil {
		out = append(out, unquoted(string(text)))
	}
	for shift := range 3 { // the secret may be encoded within other text
		padded := append(make([]byte, shift), secret...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(padded)
			first, last := (shift*8+5)/6, len(padded)*8/6 // the other characters depend on the text around the secret
			if last-first >= runLength {
				out = append(out, text[first:last])
			}
		}
	}
	return out
}

func unquoted(text string) string { return text[1 : len(text)-1] }

// isPlainWord reports whether a text looks like a usual word.
func isPlainWord(text string) bool {
	return len(text) <= longestWord && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz") == ""
}

// Text returns text with each secret replaced by ***.
func (r *Redactor) Text(text string) string {
	if r == nil || len(r.runs)+len(r.words) == 0 {
		return text
	}
	low := lower(text)
	var hidden []bool
	markHidden := func(from, to int) {
		if hidden == nil {
			hidden = make([]bool, len(text))
		}
		for i := from; i < to; i++ {
			hidden[i] = true
		}
	}
	for i := 0; i+runLength <= len(low); i++ {
		if _, ok := r.runs[packRun(low[i:])]; ok {
			markHidden(i, i+runLength)
		}
	}
	for word := range r.words {
		for from := 0; ; {
			i := strings.Index(low[from:], word)
			if i < 0 {
				break
			}
			begin, end := from+i, from+i+len(word)
			if !insideWord(low, begin, end) {
				markHidden(begin, end)
			}
			from = begin + 1
		}
	}
	if hidden == nil {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString("***")
		}
	}
	return b.String()
}

// insideWord reports whether text[begin:end] is a part of a longer word, or the scheme of a URL.
func insideWord(text string, begin, end int) bool {
	part := func(c byte) bool {
		return c == '_' || c == '-' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
	}
	return begin > 0 && part(text[begin]) && part(text[begin-1]) || end < len(text) && part(text[end-1]) && part(text[end]) ||
		strings.HasPrefix(text[end:], "://")
}

// lower returns text with the letters of ASCII in lower case. It keeps the offset of each byte.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// packRun returns the first runLength bytes of text as a number.
func packRun(text string) (n uint64) {
	for i := range runLength {
		n = n<<8 | uint64(text[i])
	}
	return n
}

// Error returns err with a redacted text. errors.Is and errors.As still find the errors that it wraps.
func (r *Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if shown := r.Text(text); shown != text {
		return &redactedError{shown, err}
	}
	return err
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }
