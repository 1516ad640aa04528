package config

import (
	"net"
	"strconv"

	"eventgateway/gateway/options"
)

// HTTP is the shared listener.
type HTTP struct {
	Listen string `koanf:"listen" rule:"required" doc:"address of the shared listener, such as :8080 or 127.0.0.1:8080"`
	Admin  Admin  `koanf:"admin"`
}

// Admin says who may see the insides.
type Admin struct {
	Listen string         `koanf:"listen" doc:"address of a listener of its own for /metrics, /healthz, /readyz and /api; empty: on the shared one, where /api answers only this machine"`
	Token  options.Secret `koanf:"token" doc:"bearer token that opens /api to other machines"`
}

// Log says what is logged.
type Log struct {
	Level  string `koanf:"level" rule:"oneof=debug|info|warn|error" doc:"least level that is logged"`
	Format string `koanf:"format" rule:"oneof=auto|text|json" doc:"auto is text on a terminal and JSON elsewhere"`
}

// settings is the file without the graph.
type settings struct {
	HTTP            HTTP             `koanf:"http"`
	Log             Log              `koanf:"log"`
	ShutdownTimeout options.Duration `koanf:"shutdown_timeout" rule:"min=100ms" doc:"how long a stop may take; 3/4 of it is for delivering what waits"`
}

func defaultSettings() settings {
	return settings{
		HTTP:            HTTP{Listen: ":8080"},
		Log:             Log{Level: "info", Format: "auto"},
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
	if h.Admin.Listen == h.Listen {
		report("admin.listen", "is http.listen: give another address, or leave it out")
	}
	if text := badAddress(h.Admin.Listen); h.Admin.Listen != "" && text != "" {
		report("admin.listen", text)
	}
}

func badAddress(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		if n, perr := strconv.Atoi(port); perr == nil && n >= 0 && n <= 65535 {
			return ""
		}
	}
	return "is not an address: write host:port or :port, with a port from 0 to 65535"
}
