package httpclient

import (
	"strings"

	"eventgateway/gateway/options"
)

// StripControl returns text without what must not stand in a header or a log line: line breaks, and other control
// characters.
func StripControl(text string) string { return strings.Map(visible, text) }

func visible(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return -1
	}
	return r
}

// Printable returns how a text begins that the other side has made, such as an error of the connection: at
// most [MaxExcerpt] bytes, and what is [Visible] of them.
func Printable(text string) string { return StripControl(text[:min(len(text), MaxExcerpt)]) }

// shortestValue is from how many bytes on [Hide] hides a value: shorter ones are found in what has nothing to
// do with them.
const shortestValue = 8

// Redact hides, in what a receiver says, what only it was told: some repeat the whole request, and errors are
// shown. known has the secrets of the options; told is what was made of them for this request.
func Redact(known *options.Redactor, text string, told ...string) string {
	var made []any
	for _, v := range told {
		if len(v) >= shortestValue {
			made = append(made, options.NewSecret(v))
		}
	}
	return options.NewRedactor(made...).Text(known.Text(text))
}
