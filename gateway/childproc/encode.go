package childproc

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// AppendBatch appends the beginning of a batch; [AppendEvent] and [EndBatch] append the rest.
func AppendBatch(dst []byte, seq uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"batch":`...), seq, 10), `,"events":[`...)
}

// EndBatch appends the end of a batch.
func EndBatch(dst []byte) []byte { return append(dst, "]}\n"...) }

// AppendEvent appends an event as JSON. first is set for the first one of a batch.
func AppendEvent(dst []byte, e *event.Event, first bool) []byte {
	if !first {
		dst = append(dst, ',')
	}
	dst = append(dst, '{')
	text := func(name, value string) {
		if value != "" {
			dst = append(appendString(append(dst, name...), value), ',')
		}
	}
	text(`"id":`, e.ID)
	text(`"key":`, e.Key)
	text(`"channel":`, e.Channel)
	text(`"source":`, e.Source)
	if !e.Time.IsZero() {
		dst = append(e.Time.UTC().AppendFormat(append(dst, `"time":"`...), time.RFC3339Nano), `",`...)
	}
	if len(e.Attrs) > 0 {
		dst = append(dst, `"attrs":{`...)
		for i, a := range e.Attrs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(append(appendString(dst, a.Name), ':'), a.Value)
		}
		dst = append(dst, "},"...)
	}
	if utf8.Valid(e.Data) {
		return append(appendText(append(dst, `"data":`...), e.Data), '}')
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `"data_base64":"`...), e.Data)
	return append(dst, `"}`...)
}

// appendString appends text as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, text string) []byte {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	return appendText(dst, event.StringData(text))
}

const hexDigits = "0123456789abcdef"

// appendText appends text, which is UTF-8, as a JSON string.
func appendText(dst, text []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, text[from:]...), '"')
}

// AppendGap appends a gap, with its line break.
func AppendGap(dst []byte, g plugin.Gap) []byte {
	dst = appendString(append(dst, `{"gap":`...), g.Reason)
	if g.Source != "" {
		dst = appendString(append(dst, `,"source":`...), g.Source)
	}
	return append(dst, "}\n"...)
}

// AppendNack appends a nack, with its line break.
func AppendNack(dst []byte, seq uint64, why error) []byte {
	dst = strconv.AppendUint(append(dst, `{"nack":`...), seq, 10)
	return append(appendString(append(dst, `,"error":`...), why.Error()), "}\n"...)
}
