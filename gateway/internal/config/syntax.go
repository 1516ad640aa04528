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

// suspects are the usual reasons for text not to be YAML. The parser notices
// them late and names another line.
var suspects = []struct {
	with    string         // what a line has that the pattern matches: quicker to find
	pattern *regexp.Regexp // group 1 is where the reason stands
	hint    string
}{
	{"${", regexp.MustCompile(`^[^"'#]*?[{\[][^"'#]*?(\$\{)`), "between { and } a value with ${...} must be in quotes"},
	{"{{", regexp.MustCompile(`^[^"'#]*?(\{\{)`), "YAML reads { as the start of a mapping: put the value in quotes"},
	{"!", regexp.MustCompile(`^[^"'#]*?: +(![^ !])`), "a ! begins a YAML tag here: put the value in quotes"},
	{"\t", regexp.MustCompile(`^ *(\t)`), "indentation must be spaces, not tabs"},
	{"\"", regexp.MustCompile(`^[^"'#]*?: +("[^"]*") +[^ #]`), "the quotes end before the value does: put the whole value in quotes, '\"a\" == b'"},
}

// maxSuspect is how many bytes a line has at most in which a reason is looked for.
const maxSuspect = 4096

// syntax reports text that is not YAML, with a hint where the reason is a known one.
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
	if anchor != nil { // its name does not show: it may be a password
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
	switch { // the parser means the line after the one that it names, often
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

// firstBroken returns the line up to which text must be read to be wrong for a reason.
// The parser reads a little ahead, so it is that of the last line that the parser has
// asked for, or of one of the few before.
func firstBroken(text, reason string) int {
	r := lineReader{lines: strings.SplitAfter(text, "\n")}
	dec := yaml.NewDecoder(&r)
	for dec.Decode(&yaml.Node{}) == nil { // up to the document that is broken
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

// readAhead bounds how many lines the parser may have read behind the one that is broken.
const readAhead = 3

// lineReader hands out one line at a time, and so tells how far a reader has come.
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
