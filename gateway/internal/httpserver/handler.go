package httpserver

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// leftover is how long what is left of a request's body may take after the answer.
const leftover = time.Second

// bounded is the handler of a server: it keeps the reserve for what is urgent, and ends
// requests whose body no handler reads.
type bounded struct {
	next   http.Handler
	urgent func(path string) bool
	base   string // under which a proxy shows the handler, as "/orders"; "" for none
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
	case r.Body == nil || r.Body == http.NoBody:
		b.next.ServeHTTP(w, r)
	case wantsStream(r): // it would be read as frames
		w.Header().Set("Connection", "close")
		http.Error(w, "a request for WebSocket or server-sent events has no body: send none", http.StatusBadRequest)
	default:
		b.serveBody(w, r)
	}
}

// strip takes the base out of the path of a request. A proxy may have taken it out already. The
// base itself is a page whose links would lead beside it: strip answers where the page is.
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
	r.URL.RawPath = "" // what is encoded otherwise than by default is not told apart
	return false
}

// serveBody serves a request with a body. Where the handler has not read the body, the
// answer goes out at once and the connection ends: net/http would first wait for the rest
// of the body, which may never come. A rest that is on its way is taken for a second, for a
// connection that is reset could lose the answer.
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
	tracked := r.WithContext(r.Context()) // r itself belongs to net/http, which looks at its body
	tracked.Body = body
	b.next.ServeHTTP(w, tracked)
	r.Form, r.PostForm, r.MultipartForm = tracked.Form, tracked.PostForm, tracked.MultipartForm // whose files net/http removes
	if body.read {
		return
	}
	if _, err := w.Write(nil); errors.Is(err, http.ErrHijacked) { // its deadlines are not ours
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(leftover)) // a broken connection ends anyway
}

// trackedBody notes that a body was read to its end. The handler that reads it may not
// write its header in another goroutine meanwhile.
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
