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

// How long a gateway may be silent, although it pings, and how long a handshake
// may take.
const (
	silence   = time.Minute
	handshake = 10 * time.Second
)

// largestFrame bounds in bytes what is read at once.
const largestFrame = 64 << 20

// gapProtocol asks a gateway for messages about gaps.
const gapProtocol = "eventgateway.v2"

type websocketClientOptions struct{ URL options.URL }

// websocketClient is the source that `gateway tail` reads a gateway with.
func websocketClient() plugin.SourceType {
	return plugin.NewSource("websocket-client", "Frames of a gateway.",
		func() websocketClientOptions { return websocketClientOptions{} },
		func(o websocketClientOptions, env plugin.Env) (plugin.Source, error) {
			return &websocketSource{url: o.URL, env: env}, nil
		})
}

type websocketSource struct {
	url options.URL
	env plugin.Env
	was bool // connected before

	// Where it is, as the gateway has it: everything up to offset, and so many messages more.
	epoch        string
	offset, seen uint64
}

// address is the URL that goes on where it was.
func (s *websocketSource) address() string {
	text := s.url.Reveal()
	if s.epoch == "" {
		return text
	}
	separator := "?"
	if strings.Contains(text, "?") {
		separator = "&"
	}
	return fmt.Sprintf("%s%sepoch=%s&offset=%d&seen=%d", text, separator, url.QueryEscape(s.epoch), s.offset, s.seen)
}

// Run is part of [plugin.Source].
func (s *websocketSource) Run(ctx context.Context, out plugin.Output) error {
	dialer := websocket.Dialer{HandshakeTimeout: handshake, Subprotocols: []string{gapProtocol}, Proxy: http.ProxyFromEnvironment}
	conn, resp, err := dialer.DialContext(ctx, s.address(), nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("it answers %s", resp.Status)
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
	if s.was && (conn.Subprotocol() != gapProtocol || s.epoch == "") { // else it says so itself
		out.Gap("connected anew: what was sent meanwhile is missing")
	}
	s.was = true
	out.Ready()
	speaks := conn.Subprotocol() == gapProtocol
	for first := true; ; first = false {
		_ = conn.SetReadDeadline(time.Now().Add(silence))
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return plugin.UnlessDone(ctx, fmt.Errorf("lost the connection to %s: %w", s.url, err))
		}
		// Events that are UTF-8 are text frames, so a binary frame of UTF-8 is never one.
		if speaks && kind == websocket.BinaryMessage && utf8.Valid(data) {
			if s.control(data, out) {
				continue
			}
		} else if first && !speaks && s.welcome(data) {
			continue
		}
		s.seen++
		e := &event.Event{Source: s.env.Name, Time: time.Now(), Data: data}
		if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}}); err != nil {
			return plugin.UnlessDone(ctx, err)
		}
	}
}

// welcome takes the first message of a gateway that does not speak the protocol, where it
// greets.
func (s *websocketSource) welcome(data []byte) bool {
	var m struct{ Type, Msg string }
	if len(data) > 4096 || json.Unmarshal(data, &m) != nil || m.Type != "welcome" {
		return false
	}
	s.env.Log.Info("welcome", "msg", m.Msg)
	return true
}

// control takes a message that is about the connection. It returns false for one that is
// shown as an event is: a row that has left the filter.
func (s *websocketSource) control(data []byte, out plugin.Output) bool {
	var m struct {
		Type         string `json:"type"`
		Reason       string `json:"reason"`
		Epoch        string `json:"epoch"`
		Offset, Seen uint64
		Recovered    *bool `json:"recovered"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		s.env.Log.Warn("a message of the gateway was not understood", "error", err)
		return true
	}
	switch m.Type {
	case "leave":
		return false
	case "subscribed":
		if s.epoch != "" && (m.Recovered == nil || !*m.Recovered) {
			out.Gap("connected anew: what was sent meanwhile is missing")
		}
		s.epoch, s.offset, s.seen = m.Epoch, m.Offset, m.Seen
	case "position":
		s.offset, s.seen = m.Offset, 0
	case "gap":
		out.Gap(m.Reason)
	case "error":
		s.env.Log.Warn("the gateway refuses", "reason", m.Reason)
	default:
		s.welcome(data)
	}
	return true
}
