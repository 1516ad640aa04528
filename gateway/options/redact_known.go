package options

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// addSecret adds the lines of a secret, without the parts that are public: the frame of a
// key in PEM, the scheme in front of a token, the expressions of a template.
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

// literals returns the texts around the expressions of a template, and those within quotes
// in them.
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

// addURL adds what only the owner of a URL knows: the password, values of the query, and of
// a URL of the web its path.
func (r *Redactor) addURL(u URL) {
	if u.raw == "" || u.Embedded() || u.fromEmbedded {
		return
	}
	if user, password, ok := userinfo(u.raw); ok {
		switch {
		case password != "":
			for piece := range strings.SplitSeq(password, "@") { // others may end it there
				r.add(piece)
			}
			r.add(password)
			r.addUnescaped(password)
			name, _ := url.PathUnescape(user)
			plain, _ := url.PathUnescape(password)
			r.add(base64.StdEncoding.EncodeToString([]byte(name + ":" + plain)))
		case !strings.HasPrefix(u.Scheme(), "postgres") && len(user) >= run: // it may be a token
			r.add(user)
			r.addUnescaped(user)
		}
	}
	_, query, _ := strings.Cut(u.raw, "?")
	for param := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(param, "="); u.web() || !openParams[name] {
			r.add(value)
			r.addUnescaped(value)
		}
	}
	p, err := url.Parse(u.raw)
	if err != nil || !u.web() {
		return
	}
	r.addWhole(p.RawQuery)
	r.addPath(p.EscapedPath())
}

// addPath adds the path of a URL of the web, from the first segment on that is no usual word:
// of /services/T0/B0/xyz what comes behind services. Where that is too short to be looked
// for, the whole path is hidden.
func (r *Redactor) addPath(path string) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for len(segments) > 0 && isName(segments[0]) {
		segments = segments[1:]
	}
	rest := strings.Join(segments, "/")
	if len(rest) < run {
		r.addWhole(path)
	}
	r.add(rest)
	r.addUnescaped(rest)
}

// addWhole adds a text that is hidden where all of it stands.
func (r *Redactor) addWhole(text string) {
	if len(text) >= shortestHidden {
		r.words[lower(text)] = struct{}{}
	}
}

func (r *Redactor) addUnescaped(text string) {
	for _, unescape := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
		if plain, err := unescape(text); err == nil && plain != text {
			r.add(plain)
		}
	}
}
