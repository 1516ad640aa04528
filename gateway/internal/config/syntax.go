package config

import (
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	yamlLine      = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// suspects are the usual causes of syntax errors. The parser finds them late, and names
// another line.
var suspects = []struct {
	with    string         // text of each line that the pattern matches, for a fast check
	pattern *regexp.Regexp // group 1 is the position of the cause
	hint    string
}{
	{"${", regexp.MustCompile(`^[^"'#]*?[{\[][^"'#]*?(\$\{)`), "between { and } a value with ${...} must be in quotes"},
	{"{{", regexp.MustCompile(`^[^"'#]*?(\{\{)`), "YAML reads { as the start of a mapping: put the value in quotes"},
	{"!", regexp.MustCompile(`^[^"'#]*?: +(![^ !])`), "a ! begins a YAML tag here: put the value in quotes"},
	{"\t", regexp.MustCompile(`^ *(\t)`), "indentation must be spaces, not tabs"},
	{"\"", regexp.MustCompile(`^[^"'#]*?: +("[^"]*") +[^ #]`), "the quotes end before the value does: put the whole value in quotes, '\"a\" == b'"},
}

// maxSuspect bounds the lines in which a cause is searched, in bytes.
const maxSuspect = 4096

// syntax reports text that is not YAML, with a hint where the cause is known.
func (p *parser) syntax(text string, err error) {
	n, reason := &yaml.Node{Line: 1, Column: 1}, err.Error()
	if m := yamlLine.FindStringSubmatch(reason); m != nil {
		reason = m[2]
		n.Line, _ = strconv.Atoi(m[1])
		n.Line = max(n.Line, 1)
	}
	if strings.Contains(reason, "did not find expected key") { // it names the line where the mapping begins
		n.Line = max(n.Line, firstBroken(text, reason))
	}
	anchor := unknownAnchor.FindStringSubmatch(reason)
	if anchor != nil { // its name is not quoted: it may be a password
		reason = "an alias, which begins with *, has no anchor; put the value in quotes if it is meant as text"
	}
	for i, line := range strings.Split(text, "\n") {
		if anchor != nil {
			if at := strings.Index(line, "*"+anchor[1]); at >= 0 {
				n.Line, n.Column = i+1, at+1
				break
			}
		}
		for _, s := range suspects {
			if len(line) > maxSuspect || !strings.Contains(line, s.with) {
				continue
			}
			if at := s.pattern.FindStringSubmatchIndex(line); at != nil {
				n.Line, n.Column = i+1, at[2]+1
				p.report(n, "", "is not YAML (%s); %s", reason, s.hint)
				return
			}
		}
	}
	switch { // often the parser names the line before the error
	case strings.Contains(reason, "did not find expected ',' or"):
		lines := strings.Split(text, "\n")
		if n.Line < len(lines) && strings.ContainsAny(lines[n.Line], "{[") {
			n.Line++
		}
		p.report(n, "", "is not YAML (%s); between { and }, or [ and ], a value that has one of , ? : [ ] { } in it must be in quotes", reason)
	case strings.Contains(reason, "mapping values are not allowed"):
		p.report(n, "", "is not YAML (%s); a value that has a colon and a space in it must be in quotes", reason)
	default:
		p.report(n, "", "is not YAML: %s", reason)
	}
}

// firstBroken returns the first line with which the text fails for a reason. The parser reads
// a little ahead, so it is the last line that the parser has read, or one of the few before.
func firstBroken(text, reason string) int {
	r := lineReader{lines: strings.SplitAfter(text, "\n")}
	dec := yaml.NewDecoder(&r)
	for dec.Decode(&yaml.Node{}) == nil { // up to the broken document
	}
	n := max(r.begun, 1)
	for least := n - readAhead; n > 1 && n > least; n-- {
		var node yaml.Node
		err := yaml.Unmarshal([]byte(strings.Join(r.lines[:n-1], "")), &node)
		if err == nil || !strings.Contains(err.Error(), reason) {
			break
		}
	}
	return n
}

// readAhead bounds the lines that the parser may have read after the broken one.
const readAhead = 3

// lineReader returns one line per Read, and so shows how far its reader has come.
type lineReader struct {
	lines []string
	begun int    // lines of which something was read
	rest  string // of the last one
}

// Read is part of [io.Reader].
func (r *lineReader) Read(p []byte) (int, error) {
	for r.rest == "" {
		if r.begun == len(r.lines) {
			return 0, io.EOF
		}
		r.rest = r.lines[r.begun]
		r.begun++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
