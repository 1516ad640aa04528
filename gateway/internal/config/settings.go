package config

import (
	"fmt"
	"io/fs"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/acme"
	"eventgateway/gateway/internal/state"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/options"
)

// HTTP is the shared listener.
type HTTP struct {
	Listen        string            `koanf:"listen" rule:"required" doc:"address of the shared listener, such as :8080, 127.0.0.1:8080 or unix:/run/gateway.sock"`
	SocketAccess  string            `koanf:"socket_access" rule:"oneof=owner|group|all" doc:"who may connect to a Unix socket: the user of the gateway (owner), also its group, or all users"`
	ProxyProtocol []options.Network `koanf:"proxy_protocol" doc:"addresses or networks of proxies whose connections to the shared listener begin with a PROXY header"`
	BasePath      string            `koanf:"base_path" doc:"path of the gateway behind a proxy that does not strip it, such as /orders/"`
	TLS           SharedTLS         `koanf:"tls"`
	Admin         Admin             `koanf:"admin"`
	Limits        HTTPLimits        `koanf:"limits"`
}

// Docs is part of [options.Documented].
func (HTTP) Docs() map[string]string {
	return map[string]string{"proxy_protocol": "The version is 1 or 2. The client address in the header counts for all limits and in the log. A connection from a proxy without the header is closed",
		"base_path": "The gateway strips it from each request that has it. It is not needed for a proxy that strips it"}
}

// HTTPLimits bound the clients of each listener.
type HTTPLimits struct {
	Connections int              `koanf:"connections" rule:"min=0,max=10000000" doc:"connections at the same time on the shared listener, WebSocket clients included"`
	PerAddress  int              `koanf:"per_address" rule:"min=0" doc:"connections at the same time from one address, or from one /64 network of IPv6"`
	Header      options.Duration `koanf:"header" rule:"min=100ms,max=10m" doc:"how long the header of a request may take to arrive"`
	Read        options.Duration `koanf:"read" rule:"min=100ms,max=10m" doc:"how long a whole request may take to arrive"`
	Write       options.Duration `koanf:"write" rule:"min=100ms,max=10m" doc:"how long it may take until the client has received an answer"`
	Idle        options.Duration `koanf:"idle" rule:"min=100ms,max=1h" doc:"how long a connection may be kept between two requests"`
}

// Docs is part of [options.Documented].
func (HTTPLimits) Docs() map[string]string {
	return map[string]string{
		"connections": "Beyond it only /healthz, /readyz, /metrics and /api are answered. 0: as many as the limit of open files allows (ulimit -n), minus a reserve for these requests and for the files of the gateway",
		"per_address": "Further ones are closed at once. 0: no bound. Behind a proxy all clients have its address",
		"write":       "WebSocket and server-sent events have limits of their own",
	}
}

// Log has the options of the log.
type Log struct {
	Level      string                `koanf:"level" rule:"oneof=debug|info|warn|error" doc:"lowest level that is logged"`
	Components options.Map[LogLevel] `koanf:"components" doc:"lowest levels of single components, as name: level"`
	Access     bool                  `koanf:"access" doc:"log each request on each listener, with level info"`
	Format     string                `koanf:"format" rule:"oneof=auto|text|json" doc:"auto is text on a terminal and JSON elsewhere"`
}

// Docs is part of [options.Documented].
func (Log) Docs() map[string]string {
	return map[string]string{
		"components": "The name is that of a source, transform, sink or route",
		"access":     "A WebSocket gets its line at its end. Paths are logged without their query",
	}
}

// LogLevel is a level of the log.
type LogLevel string

// UnmarshalText accepts the levels.
func (l *LogLevel) UnmarshalText(b []byte) error {
	if !slices.Contains(l.Values(), string(b)) {
		return fmt.Errorf("%q is not a level: write debug, info, warn or error", b)
	}
	*l = LogLevel(b)
	return nil
}

// Values is part of [options.Enumerated].
func (LogLevel) Values() []string { return []string{"debug", "info", "warn", "error"} }

// DeadLetterStore is where dead letters are kept that go to no dead_letter sink.
type DeadLetterStore struct {
	Path     string           `koanf:"path" doc:"folder in which dead letters are stored that go to no dead_letter sink, of this gateway only"`
	MaxBytes options.Size     `koanf:"max_bytes" rule:"min=1048576" doc:"size of the folder beyond which the oldest dead letters are evicted"`
	MaxAge   options.Duration `koanf:"max_age" rule:"min=0" doc:"age at which dead letters are deleted; 0 is never"`
}

// Docs is part of [options.Documented].
func (DeadLetterStore) Docs() map[string]string {
	return map[string]string{
		"path":      "Without it the latest stay in memory, and a source that can replay gets its events back",
		"max_bytes": "Evicted ones are lost, and counted by gateway_dead_letter_store_evicted_total",
	}
}

// settings is the file without the graph.
type settings struct {
	HTTP            HTTP             `koanf:"http"`
	Log             Log              `koanf:"log"`
	Tracing         tracing.Options  `koanf:"tracing"`
	State           state.Options    `koanf:"state"`
	DeadLetters     DeadLetterStore  `koanf:"dead_letters"`
	ShutdownDelay   options.Duration `koanf:"shutdown_delay" rule:"max=10m" doc:"time between SIGTERM and the stop, in which the gateway works and /readyz answers 503"`
	ShutdownTimeout options.Duration `koanf:"shutdown_timeout" rule:"min=100ms" doc:"longest time of a stop; 3/4 of it is for delivering queued events"`
}

// Docs is part of [options.Documented].
func (settings) Docs() map[string]string {
	return map[string]string{"shutdown_delay": "Load balancers use this time to send requests elsewhere"}
}

func defaultSettings() settings {
	return settings{
		HTTP: HTTP{Listen: ":8080", SocketAccess: "group", TLS: SharedTLS{options.DefaultServerTLS(), acme.Defaults()}, Admin: Admin{TLS: options.DefaultServerTLS()}, Limits: HTTPLimits{
			Header: options.Duration(10e9), Read: options.Duration(30e9), Write: options.Duration(30e9), Idle: options.Duration(120e9),
		}},
		Log:             Log{Level: "info", Format: "auto"},
		Tracing:         tracing.DefaultOptions(),
		State:           state.DefaultOptions(),
		DeadLetters:     DeadLetterStore{MaxBytes: 256 << 20},
		ShutdownTimeout: options.Duration(10e9),
	}
}

// SettingsRows lists the settings outside of the graph, for the documentation.
func SettingsRows() []options.Row {
	s := defaultSettings()
	return options.Rows(&s)
}

// RouteRows lists the options of a route, for the documentation.
func RouteRows() []options.Row { return options.Rows(&routeOptions{}) }

// Check is part of [options.Checker].
func (h *HTTP) Check(report func(option, text string)) {
	if text := badAddress(h.Listen); text != "" {
		report("listen", text)
	}
	if p := h.BasePath; p != "" && (p[0] != '/' || strings.ContainsAny(p, "?#%{} ") || path.Clean(p) != strings.TrimSuffix(p, "/") && p != "/") {
		report("base_path", "is not a path: write it as browsers show it, such as /orders/")
	}
	if h.Admin.Listen == h.Listen {
		report("admin.listen", "is http.listen: set another address, or remove it")
	}
	if text := badAddress(h.Admin.Listen); h.Admin.Listen != "" && text != "" {
		report("admin.listen", text)
	}
	h.checkAccess(report)
	if strings.HasPrefix(h.Listen, "unix:") && h.TLS.ACME.Enabled() {
		report("tls.acme", "needs an address of TCP in http.listen: the authority connects to it")
	}
	if h.Admin.Listen == "" && h.Admin.TLS.Enabled() {
		report("admin.tls", "needs http.admin.listen: the admin pages are on the shared listener, whose certificate is in http.tls")
	}
}

// warnings returns what is wrong with the certificates, but does not prevent their use.
func (h *HTTP) warnings(locate func(path string) (key, value options.Pos)) (all options.Problems) {
	for path, t := range map[string]options.ServerTLS{"http.tls.cert": h.TLS.ServerTLS, "http.admin.tls.cert": h.Admin.TLS} {
		if text := t.Warning(time.Now()); text != "" {
			_, at := locate(path)
			all = append(all, options.Problem{Pos: at, Path: path, Text: text})
		}
	}
	all.Sort()
	return all
}

// maxSocketPath is the maximum length of the path of a Unix socket, in bytes.
const maxSocketPath = 100

// badAddress returns what is wrong with an address to listen on, "" if nothing is.
func badAddress(addr string) string {
	if socket, unix := strings.CutPrefix(addr, "unix:"); unix {
		switch {
		case !path.IsAbs(socket):
			return "is not the path of a socket: write one that begins with /, such as unix:/run/gateway.sock"
		case len(socket) > maxSocketPath:
			return "is a path of over 100 bytes, which the system refuses for a socket: write a shorter one"
		}
		return ""
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		if n, perr := strconv.Atoi(port); perr == nil && n >= 0 && n <= 65535 {
			return ""
		}
	}
	return "is not an address: write host:port or :port, with a port from 0 to 65535, or unix:/PATH"
}

// SocketMode returns the permissions of a Unix socket.
func (h HTTP) SocketMode() fs.FileMode {
	return map[string]fs.FileMode{"owner": 0o600, "group": 0o660, "all": 0o666}[h.SocketAccess]
}
