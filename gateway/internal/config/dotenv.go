package config

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// dotenv parses an .env file like the package dotenv 16 of Node.js, for which the files of
// users are written. `NAME=value` and `NAME: value` set a variable,
// with or without `export` before it, and the last one counts:
//
//   - A value ends with its line, or before the first #, and spaces around it go.
//   - Between two ', " or ` it may have line breaks and #. Between " the two characters
//     \n are a line break, and \r a carriage return; there is no other escape.
//   - A $ is a $, and lines of another form are ignored.
type dotenv struct {
	text     string // with \n as its only line breaks
	vars     map[string]string
	lines    map[string]int // line of the last assignment of each variable
	warnings []lineWarning

	line    int // number of the line at counted
	counted int // offset up to which lines were counted
}

// lineWarning is a warning about a line of an .env file. It quotes nothing of the line, which
// may be secret.
type lineWarning struct {
	line int
	text string
}

const (
	warnNoAssignment = "is left out: it is not NAME=value"
	warnQuotes       = "the quote that the value begins with does not end it, so it is a part of the value: quote the whole value, or nothing of it"
	warnComment      = "the value ends at its #, as a comment begins there: put the value in quotes if the # is meant"
)

// parseDotenv returns the variables in text, and warnings.
func parseDotenv(text []byte) (*dotenv, error) {
	if len(text) > 1 && (text[0] == 0xff && text[1] == 0xfe || text[0] == 0xfe && text[1] == 0xff) {
		return nil, errors.New("it is UTF-16: save it as UTF-8")
	}
	unix := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text))
	d := &dotenv{text: strings.ToValidUTF8(unix, "\ufffd"), vars: map[string]string{}, lines: map[string]int{}, line: 1}
	for at := d.skipSpace(0); at < len(d.text); at = d.skipSpace(at) {
		if d.text[at] == '#' {
			at = d.lineEnd(at)
			continue
		}
		end, ok := d.assignment(at)
		if !ok {
			d.warn(at, warnNoAssignment)
			end = d.lineEnd(at)
		}
		at = end
	}
	return d, nil
}

// assignment parses an assignment at an offset, and returns its end.
func (d *dotenv) assignment(at int) (end int, ok bool) {
	if rest, export := strings.CutPrefix(d.text[at:], "export"); export {
		after := len(d.text) - len(rest)
		if name := d.skipSpace(after); name > after {
			if end, ok := d.named(name); ok {
				return end, true
			}
		}
	}
	return d.named(at)
}

// named parses a name at an offset, and the value after it.
func (d *dotenv) named(at int) (end int, ok bool) {
	after := at
	for after < len(d.text) && isDotenvName(d.text[after]) {
		after++
	}
	if after == at {
		return 0, false
	}
	name := d.text[at:after]
	if equals := d.skipSpace(after); equals < len(d.text) && d.text[equals] == '=' {
		return d.set(name, after, equals+1), true
	}
	if after < len(d.text) && d.text[after] == ':' {
		if r, size := utf8.DecodeRuneInString(d.text[after+1:]); isDotenvSpace(r) {
			return d.set(name, after, after+1+size), true
		}
	}
	return 0, false
}

// set records a variable, given the offsets of the end of its name and of its value. It returns
// the end of the value.
func (d *dotenv) set(name string, after, at int) (end int) {
	d.lines[name] = d.lineOf(after)
	d.vars[name], end = d.value(at)
	return end
}

// value parses the value at an offset, or after the spaces there.
func (d *dotenv) value(at int) (value string, end int) {
	if open := d.skipSpace(at); open < len(d.text) && isQuote(d.text[open]) {
		if closing := d.closing(open); closing > 0 {
			return unescape(d.text[open], d.text[open+1:closing]), d.lineEnd(closing + 1)
		}
	}
	end = d.lineEnd(at)
	value = d.text[at:end]
	if comment := strings.IndexByte(value, '#'); comment >= 0 {
		if before, _ := utf8.DecodeLastRuneInString(value[:comment]); comment > 0 && !isDotenvSpace(before) {
			d.warn(at, warnComment)
		}
		value = value[:comment]
	}
	value = strings.TrimFunc(value, isDotenvSpace)
	if value == "" || !isQuote(value[0]) {
		return value, end
	}
	quote := value[0]
	if len(value) > 1 && value[len(value)-1] == quote {
		return unescape(quote, value[1:len(value)-1]), end
	}
	d.warn(at, warnQuotes)
	return unescape(quote, value), end
}

// closing returns the offset of the closing quote for an opening one, or 0. A quote after a \ closes
// only where no other does. After the closing quote, the line has at most a comment.
func (d *dotenv) closing(open int) int {
	var escaped []int
	quote, at := d.text[open], open+1
	for at < len(d.text) && d.text[at] != quote {
		if d.text[at] == '\\' && at+1 < len(d.text) && d.text[at+1] == quote {
			escaped = append(escaped, at+1)
			at++
		}
		at++
	}
	if at < len(d.text) && d.lineIsOver(at+1) {
		return at
	}
	for i := len(escaped) - 1; i >= 0; i-- {
		if d.lineIsOver(escaped[i] + 1) {
			return escaped[i]
		}
	}
	return 0
}

// lineIsOver reports whether the rest of a line, from an offset, is empty or a comment.
func (d *dotenv) lineIsOver(at int) bool {
	next := d.skipSpace(at)
	return next == len(d.text) || d.text[next] == '#' || strings.Contains(d.text[at:next], "\n")
}

func (d *dotenv) lineEnd(at int) int {
	if n := strings.IndexByte(d.text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(d.text)
}

func (d *dotenv) skipSpace(at int) int {
	return len(d.text) - len(strings.TrimLeftFunc(d.text[at:], isDotenvSpace))
}

// warn adds a warning about the line at an offset.
func (d *dotenv) warn(at int, text string) {
	d.warnings = append(d.warnings, lineWarning{d.lineOf(at), text})
}

// lineOf returns the number of the line of a place; locations only grow.
func (d *dotenv) lineOf(at int) int {
	d.line += strings.Count(d.text[d.counted:at], "\n")
	d.counted = at
	return d.line
}

func unescape(quote byte, value string) string {
	if quote != '"' {
		return value
	}
	return strings.ReplaceAll(strings.ReplaceAll(value, `\n`, "\n"), `\r`, "\r")
}

func isQuote(c byte) bool { return c == '\'' || c == '"' || c == '`' }

func isDotenvName(c byte) bool {
	return c == '_' || c == '.' || c == '-' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isDotenvSpace reports whether r is white space to JavaScript.
func isDotenvSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\v', '\f', '\r', '\u00a0', '\ufeff', '\u1680', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000':
		return true
	}
	return '\u2000' <= r && r <= '\u200a'
}
