package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// readUntil returns the bytes of a connection up to an end, or the beginning of TLS.
func readUntil(conn net.Conn, end string) (all []byte) {
	buf := make([]byte, 64<<10)
	for !bytes.Contains(all, []byte(end)) {
		n, err := conn.Read(buf)
		if all = append(all, buf[:n]...); err != nil || all[0] == 0x16 {
			break
		}
	}
	return all
}

var told = regexp.MustCompile(`(?im)^(authorization|proxy-authorization|x-[a-z]+): *(.*)\r$`)

// receivers are answers of HTTP servers that echo the target and the headers of a request.
// %T stands for the target, %S for the whole request in one line.
var receivers = map[string]string{
	"closes":           "",
	"repeats":          "HTTP/1.1 500 no\r\nConnection: close\r\n\r\n%S",
	"refuses":          "HTTP/1.1 400 %S\r\nConnection: close\r\n\r\n%S",
	"has enough":       "HTTP/1.1 429 no\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%S",
	"is gone":          "HTTP/1.1 410 no\r\nConnection: close\r\n\r\n%S",
	"redirects":        "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid%T\r\nConnection: close\r\n\r\n%S",
	"speaks no HTTP":   "%S\r\n\r\n",
	"status":           "HTTP/1.1 %T no\r\n\r\n",
	"version":          "HTTP/%T 200 no\r\n\r\n",
	"header":           "HTTP/1.1 200 no\r\n%S\r\n\r\n",
	"length":           "HTTP/1.1 200 no\r\nContent-Length: %T\r\n\r\n",
	"encoding":         "HTTP/1.1 200 no\r\nTransfer-Encoding: %T\r\n\r\n",
	"stops in between": "HTTP/1.1 500 no\r\nContent-Length: 100000\r\n\r\n%S",
	"wants a login":    "HTTP/1.1 407 %S\r\nConnection: close\r\n\r\n%S",
	"lower case":       "HTTP/1.1 500 no\r\nConnection: close\r\n\r\n%L",
	"Base64":           "HTTP/1.1 500 no\r\nConnection: close\r\n\r\n%B",
	"hexadecimal":      "HTTP/1.1 500 no\r\nConnection: close\r\n\r\n%X",
}

func receiver(t *testing.T, answer string) (address string) {
	return testenv.Serve(t, func(conn net.Conn) {
		request := string(readUntil(conn, "\r\n\r\n"))
		target := "/"
		if words := strings.Fields(request); len(words) > 1 {
			target = words[1]
		}
		said := target
		for _, m := range told.FindAllStringSubmatch(request, -1) {
			said += " " + m[1] + ":" + m[2]
			if _, credentials, ok := strings.Cut(m[2], "Basic "); ok {
				plain, _ := base64.StdEncoding.DecodeString(credentials)
				said += " " + string(plain)
			}
		}
		_, _ = conn.Write([]byte(strings.NewReplacer("%T", target, "%S", said, "%L", strings.ToLower(said),
			"%B", base64.StdEncoding.EncodeToString([]byte(said)), "%X", hex.EncodeToString([]byte(said))).Replace(answer)))
	})
}

// echoServer echoes the first bytes of a connection, and closes it.
func echoServer(t *testing.T) (address string) {
	return testenv.Serve(t, func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		n, _ := conn.Read(buf)
		_, _ = conn.Write(buf[:n])
	})
}

// echoRedis echoes each command behind a prefix.
func echoRedis(t *testing.T, prefix string) (address string) {
	return testenv.Serve(t, func(conn net.Conn) {
		for {
			command := readUntil(conn, "\r\n")
			if len(command) == 0 {
				return
			}
			line := strings.ReplaceAll(strings.TrimSpace(string(command)), "\r\n", " ")
			if _, err := conn.Write([]byte(prefix + line + "\r\n")); err != nil {
				return
			}
		}
	})
}

// echoPostgres asks for the password, and returns it in an error.
func echoPostgres(t *testing.T) (address string) {
	return testenv.Serve(t, func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		n, _ := conn.Read(buf)
		said := append([]byte{}, buf[:n]...)
		if _, err := conn.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}); err != nil {
			return
		}
		n, _ = conn.Read(buf)
		said = append(said, buf[:n]...)
		text := strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' '
			}
			return r
		}, string(said))
		body := []byte("SFATAL\x00VFATAL\x00C28P01\x00Mno: " + text + "\x00\x00")
		_, _ = conn.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)), body...))
	})
}

// leaking are plugins that put their secret into every log line, error, finding and panic.
type leaking struct {
	Secret options.Secret `koanf:"secret"`
	URL    options.URL    `koanf:"url"`
	Text   string         `koanf:"text"`
	How    string         `koanf:"how"`
}

func (o leaking) message() string {
	return fmt.Sprintf("%s %q %s %s %s", o.Secret.Reveal(), o.Secret.Reveal(), base64.StdEncoding.EncodeToString([]byte("a"+o.Secret.Reveal())), o.URL.Reveal(), o.Text)
}

func (o leaking) fail(log *slog.Logger) error {
	log.Debug("said "+o.message(), "secret", o.message(), "error", errors.New(o.message()), "group", slog.GroupValue(slog.String("x", o.message())), "list", []string{o.message()})
	switch o.How {
	case "panics":
		panic(o.message())
	case "panics with an error":
		panic(errors.New(o.message()))
	case "partly":
		return plugin.Failed(map[int]error{0: plugin.Permanent(errors.New(o.message()))})
	case "for good":
		return plugin.Permanent(errors.New(o.message()))
	case "disables":
		return plugin.Disabling(errors.New(o.message()))
	}
	return fmt.Errorf("it failed: %w", errors.New(o.message()))
}

type leakingSource struct {
	leaking
	env plugin.Env
}

func (s leakingSource) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	out.Gap("because of " + s.message())
	_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Source: s.env.Name, Channel: "c", Data: []byte(`{"id":1}`)}}})
	return s.fail(s.env.Log)
}

func (s leakingSource) Probe(context.Context) []plugin.Finding {
	return []plugin.Finding{{Level: plugin.Problem, Text: s.message(), Fix: s.message()}}
}

type leakingTransform struct {
	leaking
	env plugin.Env
}

func (s leakingTransform) Apply(context.Context, *event.Event, func(*event.Event)) error {
	return s.fail(s.env.Log)
}

type leakingSink struct {
	leaking
	env plugin.Env
}

func (s leakingSink) Write(context.Context, []*event.Event) error { return s.fail(s.env.Log) }
func (s leakingSink) Probe(context.Context) []plugin.Finding      { panic(s.message()) }
func (s leakingSink) Close(context.Context) error                 { return errors.New(s.message()) }

// withLeakingPlugins is all plugins, and these.
func withLeakingPlugins() plugin.Set {
	set, none := plugins(), func() leaking { return leaking{} }
	set.Sources = append(set.Sources, plugin.NewSource("leaking", "x", none, func(o leaking, env plugin.Env) (plugin.Source, error) {
		return leakingSource{o, env}, nil
	}))
	set.Transforms = append(set.Transforms, plugin.NewTransform("leaking", "x", none, func(o leaking, env plugin.Env) (plugin.Transform, error) {
		if o.How == "not built" {
			return nil, &plugin.OptionError{Option: "text", Err: errors.New(o.message())}
		}
		return leakingTransform{o, env}, nil
	}))
	set.Sinks = append(set.Sinks, plugin.NewSink("leaking", "x", none, func(o leaking, env plugin.Env) (plugin.Sink, error) {
		return leakingSink{o, env}, nil
	}))
	return set
}
