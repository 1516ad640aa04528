package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

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

// gapProtocol asks a gateway for messages about gaps.
const gapProtocol = "eventgateway.v1"

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
}

// Run is part of [plugin.Source].
func (s *websocketSource) Run(ctx context.Context, out plugin.Output) error {
	dialer := websocket.Dialer{HandshakeTimeout: handshake, Subprotocols: []string{gapProtocol}, Proxy: http.ProxyFromEnvironment}
	conn, resp, err := dialer.DialContext(ctx, s.url.Reveal(), nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		return plugin.Ended(ctx, fmt.Errorf("cannot connect to %s: %w", s.url, err))
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetPingHandler(func(text string) error {
		_ = conn.SetReadDeadline(time.Now().Add(silence))
		return conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(handshake))
	})
	if s.was {
		out.Gap("connected anew: what was sent meanwhile is missing")
	}
	s.was = true
	out.Ready()
	for {
		_ = conn.SetReadDeadline(time.Now().Add(silence))
		_, data, err := conn.ReadMessage()
		if err != nil {
			return plugin.Ended(ctx, fmt.Errorf("lost the connection to %s: %w", s.url, err))
		}
		if s.control(data, out) {
			continue
		}
		e := &event.Event{Source: s.env.Name, Time: time.Now(), Data: data}
		if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}}); err != nil {
			return plugin.Ended(ctx, err)
		}
	}
}

// control takes the messages that are about the connection, and no events.
func (s *websocketSource) control(data []byte, out plugin.Output) bool {
	var m struct {
		Type   string `json:"type"`
		Msg    string `json:"msg"`
		Reason string `json:"reason"`
	}
	if len(data) > 4096 || json.Unmarshal(data, &m) != nil {
		return false
	}
	switch {
	case m.Type == "welcome":
		s.env.Log.Info("welcome", "msg", m.Msg)
	case m.Type == "gap" && m.Reason != "":
		out.Gap(m.Reason)
	default:
		return false
	}
	return true
}
