package httpserver

import (
	"bufio"
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"eventgateway/gateway/plugin"
)

// AccessLog writes a line for each request of all listeners, while it is on. A line has the path without its query, which may hold
// a token.
type AccessLog struct {
	log *slog.Logger
	on  atomic.Bool
}

// NewAccessLog returns an access log to log, which is off.
func NewAccessLog(log *slog.Logger) *AccessLog { return &AccessLog{log: log} }

// Set turns the log on or off. Requests under way stay as they began.
func (a *AccessLog) Set(on bool) { a.on.Store(on) }

// The bounds of a client's text in a line, in bytes.
const (
	maxLoggedPath = 256
	maxRequestID  = 64
)

// requestIDHeader has the ID of a request: a proxy sends it, and each answer has it.
const requestIDHeader = "X-Request-Id"

// accessLine is the line of one request.
type accessLine struct {
	log      *AccessLog
	listener string
	begin    time.Time
	method   string
	path     string
	protocol string
	client   string // the peer, or the client that the PROXY header of its connection names
	id       string
	status   int
	entry    plugin.AccessEntry // which the handler completes
}

// serve serves a request, and writes its line when it has ended. If the handler takes over the connection, the line follows when
// that is closed.
func (a *AccessLog) serve(listener string, next http.Handler, w http.ResponseWriter, r *http.Request) {
	l := &accessLine{
		log: a, listener: listener, begin: time.Now(), method: clip(r.Method), path: clip(r.URL.Path), protocol: r.Proto,
		client: r.RemoteAddr, id: requestID(r),
	}
	w.Header().Set(requestIDHeader, l.id)
	answer := &loggedAnswer{ResponseWriter: w, line: l, conn: connOf(r.Context()), upgrade: isUpgrade(r)}
	logged := r.WithContext(plugin.WithAccess(r.Context(), &l.entry))
	defer func() {
		r.MultipartForm = logged.MultipartForm // net/http removes its files
		if answer.hijacked {
			return
		}
		p := recover()
		switch {
		case p != nil:
			l.entry.SetReason("aborted") // without an answer, where the status is 0
		case l.status == 0:
			l.status = http.StatusOK // an empty answer
		}
		l.write(answer.bytes)
		if p != nil {
			panic(p) // net/http ends the connection
		}
	}()
	next.ServeHTTP(answer, logged)
}

// write writes the line. bytes are those of the body, or of all that was sent over a connection which the handler took over.
func (l *accessLine) write(bytes int64) {
	f := l.entry.Fields()
	attrs := []slog.Attr{
		slog.String("listener", l.listener), slog.String("method", l.method), slog.String("path", l.path), slog.String("protocol", l.protocol),
		slog.Int("status", l.status), slog.Int64("bytes", bytes), slog.String("duration", time.Since(l.begin).Round(time.Microsecond).String()),
	}
	if host, _, _ := net.SplitHostPort(l.client); f.Client != "" && f.Client != host { // a header of a trusted proxy names it
		attrs = append(attrs, slog.String("client", f.Client), slog.String("proxy", l.client))
	} else {
		attrs = append(attrs, slog.String("client", l.client))
	}
	for _, a := range []struct{ name, value string }{{"user", f.User}, {"role", f.Role}, {"reason", f.Reason}} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, clip(a.value)))
		}
	}
	l.log.log.LogAttrs(context.Background(), slog.LevelInfo, "request", append(attrs, slog.String("request_id", l.id))...)
}

// clip returns a truncated copy of a client's text. It is a copy, because a part of a larger text would keep all of that in memory.
func clip(text string) string {
	if len(text) > maxLoggedPath {
		return strings.ToValidUTF8(text[:maxLoggedPath], "") + "..."
	}
	return strings.Clone(text)
}

// requestID returns the ID that a proxy has given a request, if it looks like one, else a new one.
func requestID(r *http.Request) string {
	given := r.Header.Get(requestIDHeader)
	if given == "" || len(given) > maxRequestID || strings.ContainsFunc(given, notInID) {
		return rand.Text()
	}
	return strings.Clone(given)
}

// notInID reports whether the ID of a request may not have the character.
func notInID(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:/+=", c))
}

// loggedAnswer counts what is sent.
type loggedAnswer struct {
	http.ResponseWriter
	line     *accessLine
	conn     *conn
	upgrade  bool
	bytes    int64
	hijacked bool
}

// Unwrap is for [http.ResponseController].
func (a *loggedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader is part of [http.ResponseWriter].
func (a *loggedAnswer) WriteHeader(status int) {
	if a.line.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.line.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write is part of [http.ResponseWriter].
func (a *loggedAnswer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// FlushError is for [http.ResponseController].
func (a *loggedAnswer) FlushError() error {
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Flush is part of [http.Flusher].
func (a *loggedAnswer) Flush() { _ = a.FlushError() } // an error is one of the next write, too

// Hijack is part of [http.Hijacker]. It fails for a connection by HTTP/2.
func (a *loggedAnswer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	a.hijacked = true
	if a.line.status = http.StatusOK; a.upgrade {
		a.line.status = http.StatusSwitchingProtocols
	}
	a.conn.logAtEnd(a.line)
	return raw, rw, nil
}
