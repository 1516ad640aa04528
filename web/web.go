// Package web serves the dashboard, and the client for pages of any origin at /client/index.js: native ES
// modules without a build step, compressed, with an ETag and a policy that allows no inline code.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

//go:embed index.html css icon.svg icon-failing.svg js client/index.js client/src
var files embed.FS

// policy returns the Content-Security-Policy of an answer. It allows the files of the page, and connections to its origin and, if the
// query names one, to the gateway of ?ws=.
func policy(query url.Values) string {
	connect := "'self'"
	if asked := query.Get("ws"); asked != "" {
		connect += " " + sourceOf(asked)
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src " + connect + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// plainHost matches a host, with or without a port, that a policy can name.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)

// sourceOf returns the origin of a WebSocket URL for connect-src. A policy cannot name an IPv6 address: then it is the scheme.
// It returns 'self' for all else.
func sourceOf(asked string) string {
	u, err := url.Parse(asked)
	switch {
	case err != nil || u.Scheme != "ws" && u.Scheme != "wss":
		return "'self'"
	case plainHost.MatchString(u.Host):
		return u.Scheme + "://" + u.Host
	case strings.HasPrefix(u.Host, "["):
		return u.Scheme + ":"
	}
	return "'self'"
}

// Handler returns a handler of the dashboard's files, with index.html on /, and of the client's.
func Handler() http.Handler {
	pages := map[string]page{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		sum := sha256.Sum256(body)
		pages["/"+name] = page{body, mime.TypeByExtension(path.Ext(name)), `"` + hex.EncodeToString(sum[:8]) + `"`, strings.HasPrefix(name, "client/"), compressor(body)}
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	pages["/"] = pages["/index.html"]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		p, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		p.serve(w, r)
	})
}

type page struct {
	body        []byte
	contentType string
	etag        string
	public      bool // pages of any origin may import it
	gzip        func() []byte
}

func (p page) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy(r.URL.Query()))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // revalidate by the ETag
	h.Set("Vary", "Accept-Encoding")
	body, etag := p.body, p.etag
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body, etag = p.gzip(), strings.TrimSuffix(p.etag, `"`)+`-gzip"` // each coding is a representation of its own
	}
	h.Set("ETag", etag)
	if p.public {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", p.contentType)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // an error means that the client is gone
	}
}
