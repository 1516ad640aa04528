package stdout

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"eventgateway/gateway/event"
)

// format appends the line of an event, with its end.
func (s *sink) format(dst []byte, e *event.Event) ([]byte, error) {
	switch s.opts.Format {
	case "template":
		line, err := s.eval.Append(dst, s.opts.Template, e)
		return append(line, '\n'), err
	case "pretty":
		return append(s.pretty(dst, e), '\n'), nil
	}
	return event.AppendPayloadLine(dst, e.Data), nil
}

// colours are escape sequences by operation.
var colours = map[string]string{"INSERT": "\x1b[32m", "UPDATE": "\x1b[33m", "DELETE": "\x1b[31m"}

const (
	faint = "\x1b[2m"
	reset = "\x1b[0m"
)

func (s *sink) pretty(dst []byte, e *event.Event) []byte {
	var head struct {
		Operation string `json:"operation"`
	}
	object := json.Unmarshal(e.Data, &head) == nil
	dst = s.paint(dst, faint, e.Time.Local().Format("15:04:05.000"))
	dst = append(dst, ' ')
	if e.Channel != "" {
		dst = append(append(dst, printable(e.Channel)...), ' ')
	}
	if head.Operation != "" {
		dst = s.paint(dst, colours[head.Operation], printable(head.Operation))
		dst = append(dst, ' ')
	}
	if !object {
		return append(dst, printable(string(e.Data))...)
	}
	buf := bytes.NewBuffer(dst)
	start := buf.Len()
	_ = json.Indent(buf, e.Data, "  ", "  ") // it was read as JSON above
	if buf.Len()-start < 100 {
		buf.Truncate(start)
		_ = json.Compact(buf, e.Data)
	}
	return append(buf.Bytes()[:start], printable(string(buf.Bytes()[start:]))...)
}

func (s *sink) paint(dst []byte, colour, text string) []byte {
	if !s.color || colour == "" {
		return append(dst, text...)
	}
	dst = append(dst, colour...)
	dst = append(dst, text...)
	return append(dst, reset...)
}

// printable replaces characters that a terminal could interpret.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' {
			return r
		}
		return utf8.RuneError
	}, text)
}
