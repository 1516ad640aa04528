package options

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// addSecret adds the lines of a secret without the public parts. Public are the frame of a key in PEM, the scheme
// before a token, and the expressions of a template.
func (r *Redactor) addSecret(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-----") {
			continue
		}
		if strings.Contains(line, "{{") {
			for _, part := range literals(line) {
				r.add(part)
			}
			continue
		}
		scheme, token, ok := strings.Cut(line, " ")
		if ok && slices.Contains(authSchemes, strings.ToLower(scheme)) {
			line = token
		}
		r.add(line)
	}
}

// authSchemes are the words before a token in a header, which are no secret.
var authSchemes = []string{"basic", "bearer", "digest", "token", "apikey", "hmac"}

// literals returns the texts around the expressions of a template, and the quoted texts in the expressions.
func literals(template string) (out []string) {
	for rest := template; rest != ""; {
		text, after, found := strings.Cut(rest, "{{")
		for _, word := range strings.Fields(text) {
			if !slices.Contains(authSchemes, strings.ToLower(word)) {
				out = append(out, word)
			}
		}
		if !found {
			break
		}
		expression, tail, _ := strings.Cut(after, "}}")
		for {
			i := strings.IndexAny(expression, "\"'`")
			if i < 0 {
				break
			}
			quoted, behind, _ := strings.Cut(expression[i+1:], expression[i:i+1])
			out, expression = append(out, quoted), behind
		}
		rest = tail
	}
	return out
}

// addURL adds the secret parts of a URL: the password, values of the query, and the path of a web URL.
func (r *Redactor) addURL(u URL) {
	if u.raw == "" || u.Embedded() || u.fromEmbedded {
		return
	}
	if user, password, ok := userinfo(u.raw); ok {
		switch {
		case password != "":
			for piece := range strings.SplitSeq(password, "@") { // other programs may end the password there
				r.add(piece)
			}
			r.add(password)
			r.addUnescaped(password)
			name, _ := url.PathUnescape(user)
			decoded, _ := url.PathUnescape(password)
			r.add(base64.StdEncoding.EncodeToString([]byte(name + ":" + decoded)))
		case !strings.HasPrefix(u.Scheme(), "postgres") && len(user) >= runLength: // it may be a token
			r.add(user)
			r.addUnescaped(user)
		}
	}
	_, query, _ := strings.Cut(u.raw, "?")
	for param := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(param, "="); u.isWeb() || !publicParams[name] {
			r.add(value)
			r.addUnescaped(value)
		}
	}
	p, err := url.Parse(u.raw)
	if err != nil || !u.isWeb() {
		return
	}
	r.addWhole(p.RawQuery)
	r.addPath(p.EscapedPath())
}

// addPath adds the path of a web URL from the first segment that is no usual word: T0/B0/xyz of /services/T0/B0/xyz.
// If that is too short to be searched for, it adds the whole path.
func (r *Redactor) addPath(path string) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for len(segments) > 0 && isPlainWord(segments[0]) {
		segments = segments[1:]
	}
	rest := strings.Join(segments, "/")
	if len(rest) < runLength {
		r.addWhole(path)
	}
	r.add(rest)
	r.addUnescaped(rest)
}

// addWhole adds a text that is hidden only as a whole.
func (r *Redactor) addWhole(text string) {
	if len(text) >= shortestSecret {
		r.words[lower(text)] = struct{}{}
	}
}

func (r *Redactor) addUnescaped(text string) {
	for _, unescape := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
		if decoded, err := unescape(text); err == nil && decoded != text {
			r.add(decoded)
		}
	}
}
