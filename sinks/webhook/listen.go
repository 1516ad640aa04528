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

// Bounds of what the listener takes.
const (
	maxHeard      = 16 << 20 // bytes of a body
	maxSeen       = 100_000  // ids that it knows again
	maxID         = 256      // bytes of such an id
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
request, and verifies its signature as Standard Webhooks has it: with the keys in the
environment variable WEBHOOK_SECRET, or of --secret (whsec_..., or whpk_...). A request
whose signature does not match is answered by 401, any other as --status says.`,
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
			return errors.New("there is one thing to do: gateway webhook listen")
		}
		if *status < 200 || *status > 599 {
			return fmt.Errorf("--status %d is no status of HTTP: 200 to 599", *status)
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
	seen map[string]int // how often each id came
}

func (l *listener) serve(ctx context.Context, address string) error {
	on, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	with := fmt.Sprintf("verifying with %d keys", len(l.keys))
	if len(l.keys) == 0 {
		with = "verifying nothing: set WEBHOOK_SECRET"
	}
	fmt.Fprintf(l.out, "listening on http://%s, %s\n", on.Addr(), with)
	server := &http.Server{
		Handler: l, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHeard))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, verdict := l.status, "not verified"
	wrong := false
	if len(l.keys) > 0 {
		version, err := verify(l.keys, r.Header, body, time.Now())
		if wrong = err != nil; wrong {
			status, verdict = http.StatusUnauthorized, "WRONG: "+err.Error()
		} else {
			verdict = "signature " + version + " is right"
		}
	}
	l.print(r, body, verdict, status, !wrong)
	if wrong {
		http.Error(w, verdict, status)
		return
	}
	w.WriteHeader(status)
}

func (l *listener) print(r *http.Request, body []byte, verdict string, status int, count bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := r.Header.Get("Webhook-Id")
	again := ""
	if count && id != "" && len(id) <= maxID {
		if len(l.seen) >= maxSeen {
			clear(l.seen)
		}
		l.seen[id]++
		if n := l.seen[id]; n > 1 {
			again = fmt.Sprintf(", time %d", n)
		}
	}
	fmt.Fprintf(l.out, "%s %s %q id=%q%s: %s; answered %d\n", time.Now().Format("15:04:05.000"), r.Method, r.URL.RequestURI(), id, again, verdict, status)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if l.headers || strings.HasPrefix(name, "Ce-") {
			fmt.Fprintf(l.out, "  %s: %s\n", strings.ToLower(name), shown(strings.Join(r.Header[name], ", ")))
		}
	}
	for line := range strings.Lines(string(body)) {
		fmt.Fprintf(l.out, "  %s\n", shown(strings.TrimRight(line, "\r\n")))
	}
}

// shown is text as a terminal can show it: what could move its cursor is quoted.
func shown(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }) < 0 {
		return text
	}
	return strconv.Quote(text)
}
