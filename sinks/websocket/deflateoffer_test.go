package websocket

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestDeflateOffers: offers that the gateway can honour are accepted, all others are declined.
func TestDeflateOffers(t *testing.T) {
	const accepted = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, c := range []struct {
		name    string
		headers []string
		answer  string
		window  int
	}{
		{"none", nil, "", 0},
		{"Firefox, Safari", []string{"permessage-deflate"}, accepted, anyWindow},
		{"Chrome, ws, Python", []string{"permessage-deflate; client_max_window_bits"}, accepted, anyWindow},
		{"OkHttp, gorilla", []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}, accepted, anyWindow},
		{"a window of the client", []string{"permessage-deflate;client_max_window_bits=12"}, accepted, anyWindow},
		{"a window of the server", []string{"permessage-deflate; server_max_window_bits=10"}, accepted + "; server_max_window_bits=10", 1024},
		{"the smallest window", []string{"permessage-deflate; server_max_window_bits=8"}, accepted + "; server_max_window_bits=8", 256},
		{"the largest window, quoted", []string{`permessage-deflate; server_max_window_bits="15"`}, accepted + "; server_max_window_bits=15", 32768},
		{"two offers", []string{"permessage-deflate; server_max_window_bits=10; client_max_window_bits, permessage-deflate; client_max_window_bits"}, accepted + "; server_max_window_bits=10", 1024},
		{"the second offer", []string{"permessage-deflate; unknown, permessage-deflate"}, accepted, anyWindow},
		{"the second header", []string{"x-webkit-deflate-frame", "permessage-deflate"}, accepted, anyWindow},
		{"another extension, with a quoted comma", []string{`other; x="a,permessage-deflate", permessage-deflate`}, accepted, anyWindow},
		{"only within quotes", []string{`other; x="a,permessage-deflate"`}, "", 0},
		{"another extension", []string{"x-webkit-deflate-frame"}, "", 0},
		{"an unknown parameter", []string{"permessage-deflate; fast"}, "", 0},
		{"a parameter twice", []string{"permessage-deflate; client_max_window_bits; client_max_window_bits=10"}, "", 0},
		{"a value too many", []string{"permessage-deflate; server_no_context_takeover=1"}, "", 0},
		{"a value too few", []string{"permessage-deflate; server_max_window_bits"}, "", 0},
		{"a window too small", []string{"permessage-deflate; server_max_window_bits=7"}, "", 0},
		{"a window too large", []string{"permessage-deflate; client_max_window_bits=16"}, "", 0},
		{"a window with a zero", []string{"permessage-deflate; client_max_window_bits=09"}, "", 0},
		{"an empty window", []string{"permessage-deflate; client_max_window_bits="}, "", 0},
		{"an empty parameter", []string{"permessage-deflate;"}, "", 0},
		{"an empty header", []string{""}, "", 0},
	} {
		header := http.Header{}
		for _, h := range c.headers {
			header.Add(extensionsHeader, h)
		}
		if answer, window := acceptDeflate(header); answer != c.answer || window != c.window {
			t.Errorf("%s: %q with window %d, want %q with %d", c.name, answer, window, c.answer, c.window)
		}
	}
}

// TestCompressionIsOff: by default no compression is negotiated.
func TestCompressionIsOff(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		s, server := newSink(t, func(o *Options) { o.Compression.Enabled = enabled }, httptest.NewServer)
		conn := dialRaw(t, server, "permessage-deflate")
		awaitClients(t, s, 1)
		if got := conn.answer.Get(extensionsHeader) != ""; got != enabled {
			t.Errorf("compression %v: the answer has %q", enabled, conn.answer.Get(extensionsHeader))
		}
	}
}
