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
	// shortestHidden is the minimum length of a secret that is searched for in text, in bytes:
	// shorter ones would match unrelated text.
	shortestHidden = 4
	// run is from how many adjacent bytes on a part of a secret is hidden, anywhere. A secret
	// of fewer bytes is hidden only as a whole word.
	run = 8
	// longestName is up to how many letters a secret counts as a usual word, such as
	// postgres or changeme: it is hidden only as a whole word.
	longestName = 12
)

// Redactor hides secrets in text from servers and libraries, which may repeat a request or an
// argument. It finds a secret in plain text, in any case,
// percent-encoded, quoted, in JSON, in hexadecimal, and in Base64 within other text. It also finds
// any eight adjacent bytes of these, in case the text is cut. A nil Redactor hides nothing. It is
// safe for concurrent use.
type Redactor struct {
	runs  map[uint64]struct{} // of lower-case forms
	words map[string]struct{} // lower-case, hidden where no letter or digit is beside them
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

// collectParts looks into a struct, or a list; its plain text is no secret.
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
	if secret = strings.TrimSpace(secret); len(secret) < shortestHidden {
		return
	}
	for _, form := range forms(secret) {
		form = lower(form)
		if len(form) < run || isName(form) {
			r.words[form] = struct{}{}
			continue
		}
		for i := 0; i+run <= len(form); i++ {
			r.runs[bits(form[i:])] = struct{}{}
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
	for shift := range 3 { // within other text that was encoded
		padded := append(make([]byte, shift), secret...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(padded)
			first, last := (shift*8+5)/6, len(padded)*8/6 // beyond these it depends on the other text
			if last-first >= run {
				out = append(out, text[first:last])
			}
		}
	}
	return out
}

func unquoted(text string) string { return text[1 : len(text)-1] }

// isName reports whether a text looks like a usual word.
func isName(text string) bool {
	return len(text) <= longestName && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz") == ""
}

// Text returns text with each secret replaced by ***.
func (r *Redactor) Text(text string) string {
	if r == nil || len(r.runs)+len(r.words) == 0 {
		return text
	}
	low := lower(text)
	var hide []bool
	mark := func(from, to int) {
		if hide == nil {
			hide = make([]bool, len(text))
		}
		for i := from; i < to; i++ {
			hide[i] = true
		}
	}
	for i := 0; i+run <= len(low); i++ {
		if _, ok := r.runs[bits(low[i:])]; ok {
			mark(i, i+run)
		}
	}
	for word := range r.words {
		for from := 0; ; {
			i := strings.Index(low[from:], word)
			if i < 0 {
				break
			}
			begin, end := from+i, from+i+len(word)
			if !within(low, begin, end) {
				mark(begin, end)
			}
			from = begin + 1
		}
	}
	if hide == nil {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hide[i]:
			b.WriteByte(text[i])
		case i == 0 || !hide[i-1]:
			b.WriteString("***")
		}
	}
	return b.String()
}

// within reports whether what stands between begin and end is a part of a longer word, or the
// scheme of a URL.
func within(text string, begin, end int) bool {
	part := func(c byte) bool {
		return c == '_' || c == '-' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
	}
	return begin > 0 && part(text[begin]) && part(text[begin-1]) || end < len(text) && part(text[end-1]) && part(text[end]) ||
		strings.HasPrefix(text[end:], "://")
}

// lower returns text with the letters of ASCII in lower case: each byte stays where it is.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func bits(text string) (n uint64) {
	for i := range run {
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
