package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

// TestBrowserReadsCompressedMessages: a browser offers compression, reads small, large and binary payloads, and sends messages.
func TestBrowserReadsCompressedMessages(t *testing.T) {
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [compressed]}}
sinks: {out: {type: websocket, compression: {enabled: true}}}
routes: {r: {from: [bus], to: [out]}}
`), nil)
	b := startBrowser(t, "")
	b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/"))
	eval[bool](b, fmt.Sprintf(`(window.got = [], window.socket = new WebSocket("ws://127.0.0.1:%s/"),
		socket.binaryType = "arraybuffer",
		socket.onmessage = ({ data }) => got.push(typeof data === "string" ? data : "binary " + Array.from(new Uint8Array(data)).join(",")),
		socket.onclose = ({ code }) => got.push("closed " + code), true)`, r.port))
	b.await(`socket.readyState === 1`)
	if got := eval[string](b, `socket.extensions`); !strings.HasPrefix(got, "permessage-deflate") {
		t.Fatalf("the browser has negotiated %q", got)
	}
	payloads := []string{`{"n":1}`, "", strings.Repeat(`{"text":"größe"}`, 100), strings.Repeat("\xff\xfe", 500), strings.Repeat("large and compressible ", 1<<20/23), "the end"}
	publisher := testenv.RedisClient(t)
	for _, p := range payloads {
		if err := publisher.Publish(t.Context(), "compressed", p).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`got.includes("the end")`)
	for i, want := range payloads {
		if want == strings.Repeat("\xff\xfe", 500) {
			want = "binary " + strings.TrimSuffix(strings.Repeat("255,254,", 500), ",")
		}
		if got := eval[string](b, fmt.Sprintf(`got[%d]`, i)); got != want {
			t.Errorf("message %d is %.50q with %d bytes, want %.50q with %d", i, got, len(got), want, len(want))
		}
	}
	eval[bool](b, `(socket.send(JSON.stringify({ type: "ping", timestamp: "p".repeat(3000) })), true)`)
	b.await(`got.length === 7 && JSON.parse(got[6]).timestamp.length === 3000`)
	if _, text := r.get("/metrics"); strings.Contains(text, "gateway_websocket_compressed_input_bytes_total{sink=\"out\"} 0\n") || !strings.Contains(text, "gateway_websocket_compressed_input_bytes_total") {
		t.Error("the gateway has compressed nothing")
	}
}
