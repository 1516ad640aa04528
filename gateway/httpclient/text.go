package httpclient

import (
	"strings"

	"eventgateway/gateway/options"
)

// StripControl returns text without control characters, line breaks included, for a header or a log line. Tabs
// stay.
func StripControl(text string) string { return strings.Map(stripControl, text) }

func stripControl(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return -1
	}
	return r
}

// Printable returns the first [MaxExcerpt] bytes of a text of the other side, without control characters.
func Printable(text string) string { return StripControl(text[:min(len(text), MaxExcerpt)]) }

// shortestValue is from how many bytes on [Redact] hides a value: shorter ones would match unrelated text.
const shortestValue = 8

// Redact hides secrets in a text of a receiver, which may repeat the whole request. known has the secrets of
// the options; sent are further secrets of this request, such as values of headers.
func Redact(known *options.Redactor, text string, sent ...string) string {
	var made []any
	for _, v := range sent {
		if len(v) >= shortestValue {
			made = append(made, options.NewSecret(v))
		}
	}
	return options.NewRedactor(made...).Text(known.Text(text))
}
