package websocket

import (
	"time"

	"github.com/olahol/melody"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
	"eventgateway/sinks/websocket/presence"
)

// Type returns the description of the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("websocket", "Sends every event to every connected WebSocket client.",
		func() Options {
			return Options{
				Path:        "/",
				History:     History{Events: 10_000, Bytes: 16 << 20, Age: options.Duration(10 * time.Minute)},
				MaxTopics:   100,
				SlowClient:  slowDisconnect,
				Limits:      Limits{Messages: 100, Subscriptions: 100, FilterTime: options.Duration(250 * time.Millisecond), FilterMemory: 64 << 20},
				Presence:    presence.Defaults(),
				Farewell:    options.Duration(5 * time.Second),
				MaxLag:      Lag{Events: 100_000, Bytes: 32 << 20},
				Snapshot:    Snapshot{Output: "order", Clients: 20, Timeout: options.Duration(5 * time.Minute)},
				Compression: Compression{Level: 1, MinBytes: 256},
				MaxMessage:  4 << 10, WriteTimeout: options.Duration(30 * time.Second),
				Ping: options.Duration(25 * time.Second), Pong: options.Duration(10 * time.Second),
			}
		}, build).WithRights(redisconn.Rights(presence.Right)...)
}

// Sizes of gorilla's buffers in bytes. Clients send little, and only control frames are written
// through these buffers.
const (
	readBuffer  = 512
	writeBuffer = 256
)

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	s := &sink{
		opts: o, origins: normalizeOrigins(o.Origins), env: env, metrics: newMetrics(),
		limits:         newClientLimits(o.Limits),
		refusedOrigins: newSampler(), refusedVersions: newSampler(), strippedHandshakes: newSampler(),
	}
	if o.Compression.Enabled {
		s.deflater = newDeflater(o.Compression, s.metrics)
	}
	s.hub = newHub(o, s.metrics, time.Now, env.Go)
	s.hub.clients, s.hub.log = s.listClients, env.Log
	if o.Auth.JWT.Algorithm != "" {
		var err error
		if s.jwt, err = newVerifier(o.Auth.JWT); err != nil {
			return nil, &plugin.OptionError{Option: "auth.jwt.key", Err: err}
		}
	}
	if len(o.Welcome) > 0 {
		var err error
		if s.welcome, err = jsonObject(o.Welcome); err != nil {
			return nil, err
		}
	}
	var err error
	if s.snapshots, err = newSnapshots(o.Snapshot, env.Name); err != nil {
		return nil, &plugin.OptionError{Option: "snapshot.url", Err: err}
	}
	if err := s.newPresence(); err != nil {
		return nil, err
	}
	m := melody.New()
	m.Config.MessageBufferSize = 0 // its queue is not used
	m.Config.MaxMessageSize = int64(o.MaxMessage)
	m.Config.PingPeriod, m.Config.PongWait = o.Ping.D(), o.Ping.D()+o.Pong.D()
	m.Upgrader.ReadBufferSize, m.Upgrader.WriteBufferSize = readBuffer, writeBuffer
	m.Upgrader.CheckOrigin = s.originAllowed
	m.Upgrader.Error = s.refuse
	m.HandleConnect(func(ms *melody.Session) {
		ms.Request = nil // needed no more
		clientOf(ms).start()
	})
	m.HandleMessage(func(ms *melody.Session, msg []byte) { clientOf(ms).receive(msg) })
	s.melody = m
	if err := s.metrics.register(env.Metrics); err != nil {
		return nil, err
	}
	if err := env.HTTP.HandleUpgrade(o.Path, s); err != nil {
		return nil, &plugin.OptionError{Option: "path", Err: err}
	}
	return s, nil
}

// jsonObject returns fields as a JSON object, in their order.
func jsonObject(fields options.Map[string]) ([]byte, error) {
	out := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = expr.AppendJSON(out, f.Key); err != nil {
			return nil, err
		}
		if out, err = expr.AppendJSON(append(out, ':'), f.Value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}
