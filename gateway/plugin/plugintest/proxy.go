package plugintest

import (
	"io"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"eventgateway/gateway/options"
)

// loopback matches addresses of this machine.
var loopback = regexp.MustCompile(`(127\.0\.0\.1|localhost|\[::1\]):(\d+)`)

// addresses returns the addresses of this machine in the texts, URLs and secrets of an options struct. It
// replaces each by to; nil replaces none.
func addresses(opts any, to func(addr string) string) (found []string) {
	swap := func(text string) string {
		return loopback.ReplaceAllStringFunc(text, func(addr string) string {
			found = append(found, addr)
			if to == nil {
				return addr
			}
			return to(addr)
		})
	}
	eachText(reflect.ValueOf(opts), func(v reflect.Value, text string) {
		if changed := swap(text); changed != text {
			setText(v, changed)
		}
	})
	return found
}

// eachText calls f with each text, URL and secret in an options struct.
func eachText(v reflect.Value, f func(v reflect.Value, text string)) {
	switch x := v.Interface().(type) {
	case options.URL:
		f(v, x.Reveal())
		return
	case options.Secret:
		f(v, x.Reveal())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachText(v.Elem(), f)
		}
	case reflect.String:
		f(v, v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachText(v.Field(i), f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachText(v.Index(i), f)
		}
	}
}

func setText(v reflect.Value, text string) {
	if !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case options.URL:
		v.Set(reflect.ValueOf(options.NewURL(text)))
	case options.Secret:
		v.Set(reflect.ValueOf(options.NewSecret(text)))
	default:
		v.SetString(text)
	}
}

// withPassword returns a URL with a user and a password; "" if text is no URL with a host.
func withPassword(text, password string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	u.User = url.UserPassword("user", password)
	return u.String()
}

// proxy is a TCP proxy before a server. Without a target, it is a server that never answers.
type proxy struct {
	addr, target string
	arrived      chan struct{} // gets a value for each connection, and for each read while frozen

	mu            sync.Mutex
	thawed        *sync.Cond
	frozen        bool
	closed        bool
	conns         map[net.Conn]bool // open connections of the plugin
	accepted      int
	answered      bool // the server has answered the last request of the plugin
	exchangeCount int  // number of requests after an answer
}

func newProxy(t testing.TB, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &proxy{addr: l.Addr().String(), target: target, arrived: make(chan struct{}, 10_000), conns: map[net.Conn]bool{}}
	r.thawed = sync.NewCond(&r.mu)
	var all sync.WaitGroup
	all.Go(func() {
		clearLabels()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[conn] = true
			r.accepted++
			r.mu.Unlock()
			r.notify()
			all.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		r.closed = true
		r.thawed.Broadcast()
		r.mu.Unlock()
		r.cut()
		all.Wait()
	})
	return r
}

func (r *proxy) notify() {
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

func (r *proxy) serve(conn net.Conn) {
	defer r.drop(conn)
	if r.target == "" {
		io.Copy(io.Discard, conn)
		return
	}
	server, err := net.Dial("tcp", strings.Replace(r.target, "localhost", "127.0.0.1", 1))
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.copy(conn, server, func() { r.answered = true })
		conn.Close()
	}()
	r.copy(server, conn, func() {
		if r.answered {
			r.answered = false
			r.exchangeCount++
		}
	})
	server.Close()
	conn.Close()
	<-done
}

// copy copies from one connection to another. It calls onRead after each read, with the lock held.
func (r *proxy) copy(to, from net.Conn, onRead func()) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !r.waitThawed() {
			return
		}
		if n > 0 {
			r.mu.Lock()
			onRead()
			r.mu.Unlock()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// waitThawed waits while the proxy is frozen, and reports whether it is still open.
func (r *proxy) waitThawed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen {
		r.notify()
	}
	for r.frozen && !r.closed {
		r.thawed.Wait()
	}
	return !r.closed
}

func (r *proxy) freeze(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = on
	r.thawed.Broadcast()
}

func (r *proxy) drop(conn net.Conn) {
	conn.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
}

// cut closes the open connections. New ones are accepted.
func (r *proxy) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.Close()
	}
}

// open returns the number of open connections.
func (r *proxy) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// exchanges returns the number of requests that the plugin has sent after an answer.
func (r *proxy) exchanges() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exchangeCount
}
