package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Timeouts: without any message or ping of the gateway, and of the handshake.
const (
	silence   = time.Minute
	handshake = 10 * time.Second
)

// largestFrame bounds a message, in bytes.
const largestFrame = 64 << 20

// gapProtocol is the subprotocol with messages about positions and gaps.
const gapProtocol = "eventgateway.v2"

type websocketClientOptions struct {
	URL   options.URL
	Token options.Secret
	Last  uint
}

// websocketClient returns the type of the source with which `gateway tail` reads from a gateway.
func websocketClient() plugin.SourceType {
	return plugin.NewSource("websocket-client", "Frames of a gateway.",
		func() websocketClientOptions { return websocketClientOptions{} },
		func(o websocketClientOptions, env plugin.Env) (plugin.Source, error) {
			return &websocketSource{url: o.URL, token: o.Token, last: o.Last, env: env}, nil
		})
}

type websocketSource struct {
	url       options.URL
	token     options.Secret
	last      uint // events of the history to begin with
	env       plugin.Env
	connected bool // at least once

	// The position in the gateway's log: all up to offset is read, and seen messages behind it.
	epoch  string
	offset opaque
	seen   uint64
}

// opaque is a number or a text of the gateway, which is sent back as it is.
type opaque string

// UnmarshalJSON is part of [json.Unmarshaler].
func (o *opaque) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	*o = opaque(text)
	return nil
}

// address returns the URL, with the position to resume from, or at first with the events to begin with.
func (s *websocketSource) address() string {
	text := s.url.Reveal()
	separator := "?"
	if strings.Contains(text, "?") {
		separator = "&"
	}
	switch {
	case s.epoch == "" && (s.last == 0 || s.connected):
		return text
	case s.epoch == "":
		return fmt.Sprintf("%s%slast=%d", text, separator, s.last)
	}
	return fmt.Sprintf("%s%sepoch=%s&offset=%s&seen=%d", text, separator, url.QueryEscape(s.epoch), url.QueryEscape(string(s.offset)), s.seen)
}

// Run is part of [plugin.Source].
func (s *websocketSource) Run(ctx context.Context, out plugin.Output) error {
	dialer := websocket.Dialer{HandshakeTimeout: handshake, Subprotocols: []string{gapProtocol}, Proxy: http.ProxyFromEnvironment}
	header := http.Header{}
	if !s.token.IsZero() {
		header.Set("Authorization", "Bearer "+s.token.Reveal())
	}
	conn, resp, err := dialer.DialContext(ctx, s.address(), header)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("the server answers %s", resp.Status)
			if resp.StatusCode == http.StatusUnauthorized {
				err = fmt.Errorf("%w: set --token or WS_TOKEN to a token that it accepts", err)
			}
		}
		return plugin.UnlessDone(ctx, fmt.Errorf("cannot connect to %s: %w", s.url, err))
	}
	defer conn.Close()
	conn.SetReadLimit(largestFrame)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetPingHandler(func(text string) error {
		_ = conn.SetReadDeadline(time.Now().Add(silence))
		return conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(handshake))
	})
	if s.connected && (conn.Subprotocol() != gapProtocol || s.epoch == "") { // else control emits the gap
		out.Gap("reconnected: events sent meanwhile are missing")
	}
	s.connected = true
	out.Ready()
	protocolV2 := conn.Subprotocol() == gapProtocol
	for first := true; ; first = false {
		_ = conn.SetReadDeadline(time.Now().Add(silence))
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return plugin.UnlessDone(ctx, fmt.Errorf("lost the connection to %s: %w", s.url, err))
		}
		// Events in UTF-8 are text frames, so a binary frame in UTF-8 is a control message.
		if protocolV2 && kind == websocket.BinaryMessage && utf8.Valid(data) {
			if s.control(data, out) {
				continue
			}
		} else if first && !protocolV2 && s.welcome(data) {
			continue
		}
		s.seen++
		e := &event.Event{Source: s.env.Name, Time: time.Now(), Data: data}
		if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}}); err != nil {
			return plugin.UnlessDone(ctx, err)
		}
	}
}

// welcome logs data if it is a welcome message, and reports whether it is.
func (s *websocketSource) welcome(data []byte) bool {
	var m struct{ Type, Msg string }
	if len(data) > 4096 || json.Unmarshal(data, &m) != nil || m.Type != "welcome" {
		return false
	}
	s.env.Log.Info("welcome", "msg", m.Msg)
	return true
}

// control handles a message about the connection. It returns false for one that is emitted like
// an event: a row has left the filter.
func (s *websocketSource) control(data []byte, out plugin.Output) bool {
	var m struct {
		Type      string `json:"type"`
		Reason    string `json:"reason"`
		Epoch     string `json:"epoch"`
		Offset    opaque
		Seen      uint64
		Recovered *bool `json:"recovered"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		s.env.Log.Warn("malformed control message ignored", "error", err)
		return true
	}
	switch m.Type {
	case "leave":
		return false
	case "subscribed":
		switch recovered := m.Recovered != nil && *m.Recovered; {
		case s.epoch != "" && !recovered:
			out.Gap("reconnected: events sent meanwhile are missing")
		case m.Recovered != nil && !recovered:
			out.Gap("events may be missing among those of the history")
		}
		s.epoch, s.offset, s.seen = m.Epoch, m.Offset, m.Seen
	case "position":
		s.offset, s.seen = m.Offset, 0
	case "gap":
		out.Gap(m.Reason)
	case "error":
		s.env.Log.Warn("refused by the gateway", "reason", m.Reason)
	default:
		s.welcome(data)
	}
	return true
}
