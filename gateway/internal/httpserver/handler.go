package httpserver

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// restTimeout bounds the rest of a request's body after the answer.
const restTimeout = time.Second

// bounded serves only urgent requests in the reserve, and ends
// the connection of a request whose body was not read.
type bounded struct {
	next   http.Handler
	urgent func(path string) bool
	base   string // base path behind a proxy, such as "/orders"; "" for none
}

// logged is the handler of a server. It serves requests by next, with the access log while that is on.
type logged struct {
	next     http.Handler
	access   *AccessLog
	listener string
}

// ServeHTTP is part of [http.Handler].
func (l logged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.access == nil || !l.access.on.Load() {
		l.next.ServeHTTP(w, r)
		return
	}
	l.access.serve(l.listener, l.next, w, r)
}

// ServeHTTP is part of [http.Handler].
func (b bounded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.base != "" && b.strip(w, r) {
		return
	}
	if c := connOf(r.Context()); c.reserved() {
		c.answered.Store(true)
		w.Header().Set("Connection", "close")
		if wantsStream(r) || !b.urgent(r.URL.Path) {
			c.gate.metrics.refused("connections")
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many connections: try again later", http.StatusServiceUnavailable)
			return
		}
	}
	switch {
	case r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0:
		b.next.ServeHTTP(w, r)
	case r.ProtoMajor >= 2 && !wantsStream(r): // HTTP/2 ends a stream whose body is not read
		b.next.ServeHTTP(w, r)
	case wantsStream(r): // the body would be read as frames
		w.Header().Set("Connection", "close")
		http.Error(w, "a request for WebSocket or server-sent events has no body: send none", http.StatusBadRequest)
	default:
		b.serveBody(w, r)
	}
}

// strip removes the base from the path of a request, unless a proxy has removed it. It redirects
// the base without a trailing slash, from which relative links would not work.
func (b bounded) strip(w http.ResponseWriter, r *http.Request) (answered bool) {
	rest, under := strings.CutPrefix(r.URL.Path, b.base)
	switch {
	case !under || rest != "" && rest[0] != '/':
		return false
	case rest == "" && !wantsStream(r):
		to := b.base + "/"
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		w.Header().Set("Connection", "close") // a body is not read
		http.Redirect(w, r, to, http.StatusPermanentRedirect)
		return true
	}
	r.URL.Path = "/" + strings.TrimPrefix(rest, "/")
	r.URL.RawPath = "" // other encodings of the same path are not distinguished
	return false
}

// serveBody serves a request with a body. If the handler has not read the body, the answer
// is sent at once and the connection ends: net/http would first wait for the rest of the body.
// The rest is read for a second more, since a reset of the connection could lose the answer.
func (b bounded) serveBody(w http.ResponseWriter, r *http.Request) {
	before, has := w.Header()["Connection"]
	w.Header().Set("Connection", "close")
	body := &trackedBody{ReadCloser: r.Body, whenRead: func() {
		if has {
			w.Header()["Connection"] = before
		} else {
			w.Header().Del("Connection")
		}
	}}
	tracked := r.WithContext(r.Context()) // r itself belongs to net/http, which reads its body
	tracked.Body = body
	b.next.ServeHTTP(w, tracked)
	r.Form, r.PostForm, r.MultipartForm = tracked.Form, tracked.PostForm, tracked.MultipartForm // net/http removes their files
	if body.read {
		return
	}
	if _, err := w.Write(nil); errors.Is(err, http.ErrHijacked) { // its deadlines are those of the hijacker
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTimeout)) // it fails only for a broken connection
}

// trackedBody calls whenRead when a body was read to its end. Meanwhile the handler must not write
// its header in another goroutine.
type trackedBody struct {
	io.ReadCloser
	whenRead func()
	read     bool
}

// Read is part of [io.Reader].
func (t *trackedBody) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && !t.read {
		t.read = true
		t.whenRead()
	}
	return n, err
}
