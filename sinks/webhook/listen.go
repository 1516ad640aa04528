package webhook

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Bounds of the listener.
const (
	maxBody       = 16 << 20 // bytes of a body
	maxIDs        = 100_000  // ids whose requests are counted
	maxIDLength   = 256      // bytes of an id
	maxHeader     = 64 << 10 // bytes of a request's header
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second // of a whole request
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute // between two requests
)

// command is `gateway webhook`.
func command() plugin.Command {
	return plugin.Command{
		Name:    "webhook",
		Summary: "Receive webhooks, verify their signatures, and print them",
		Help: `gateway webhook listen is a small receiver for trying things out. It prints each
request, and verifies its signature (Standard Webhooks) with the keys in the
environment variable WEBHOOK_SECRET, or of --secret (whsec_..., or whpk_...). It answers
401 if no signature matches, and else the status of --status.`,
		Example: `  WEBHOOK_SECRET=whsec_... gateway webhook listen
  gateway webhook listen --address :9000 --status 503`,
		New: newCommand,
	}
}

func newCommand(f *flag.FlagSet) func(context.Context, plugin.Invocation) error {
	var keys []string
	address := f.String("address", "127.0.0.1:8090", "`address` to listen on; port 0 takes a free one")
	f.Func("secret", "`key` to verify with; may be given several times. Others on this machine can see it: WEBHOOK_SECRET is better", func(text string) error {
		keys = append(keys, text)
		return nil
	})
	headers := f.Bool("headers", false, "print all headers, not only those of CloudEvents")
	status := f.Int("status", http.StatusNoContent, "HTTP `status` to answer with")
	return func(ctx context.Context, in plugin.Invocation) error {
		if len(in.Args) != 1 || in.Args[0] != "listen" {
			return errors.New("unknown arguments: write gateway webhook listen")
		}
		if *status < 200 || *status > 599 {
			return fmt.Errorf("--status %d is no HTTP status: give one from 200 to 599", *status)
		}
		if len(keys) == 0 {
			text, _, err := in.Lookup("WEBHOOK_SECRET")
			if err != nil {
				return err
			}
			keys = strings.Fields(strings.ReplaceAll(text, ",", " "))
		}
		l := &listener{out: in.Out, status: *status, headers: *headers, seen: map[string]int{}}
		for i, key := range keys {
			k, err := newVerifier(options.NewSecret(key))
			if err != nil {
				return fmt.Errorf("key %d %w", i+1, err)
			}
			l.keys = append(l.keys, k)
		}
		return l.serve(ctx, *address)
	}
}

// listener is the receiver of `gateway webhook listen`.
type listener struct {
	keys    []verifier
	status  int
	headers bool

	mu   sync.Mutex
	out  io.Writer
	seen map[string]int // requests by id
}

func (l *listener) serve(ctx context.Context, address string) error {
	netListener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	with := fmt.Sprintf("verifying with %d keys", len(l.keys))
	if len(l.keys) == 0 {
		with = "verifying nothing: set WEBHOOK_SECRET"
	}
	fmt.Fprintf(l.out, "listening on http://%s, %s\n", netListener.Addr(), with)
	server := &http.Server{
		Handler: l, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(netListener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, result := l.status, "not verified"
	rejected := false
	if len(l.keys) > 0 {
		version, err := verify(l.keys, r.Header, body, time.Now())
		if rejected = err != nil; rejected {
			status, result = http.StatusUnauthorized, "WRONG: "+err.Error()
		} else {
			result = "signature " + version + " is right"
		}
	}
	l.print(r, body, result, status, !rejected)
	if rejected {
		http.Error(w, result, status)
		return
	}
	w.WriteHeader(status)
}

func (l *listener) print(r *http.Request, body []byte, result string, status int, count bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := r.Header.Get("Webhook-Id")
	repeat := ""
	if count && id != "" && len(id) <= maxIDLength {
		if len(l.seen) >= maxIDs {
			clear(l.seen)
		}
		l.seen[id]++
		if n := l.seen[id]; n > 1 {
			repeat = fmt.Sprintf(", time %d", n)
		}
	}
	fmt.Fprintf(l.out, "%s %s %q id=%q%s: %s; answered %d\n", time.Now().Format("15:04:05.000"), r.Method, r.URL.RequestURI(), id, repeat, result, status)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if l.headers || strings.HasPrefix(name, "Ce-") {
			fmt.Fprintf(l.out, "  %s: %s\n", strings.ToLower(name), escapeControl(strings.Join(r.Header[name], ", ")))
		}
	}
	for line := range strings.Lines(string(body)) {
		fmt.Fprintf(l.out, "  %s\n", escapeControl(strings.TrimRight(line, "\r\n")))
	}
}

// escapeControl returns text, quoted if a terminal could interpret its characters.
func escapeControl(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }) < 0 {
		return text
	}
	return strconv.Quote(text)
}
