package redissub

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// withoutPubSub imitates a proxy that has no Pub/Sub, and answers everything else. subscribe is its
// reply to SUBSCRIBE: "" closes the connection, and "silence" sends none.
func withoutPubSub(t *testing.T, subscribe string) (url string) {
	t.Helper()
	addr := testenv.Serve(t, func(conn net.Conn) {
		for in := bufio.NewReader(conn); ; {
			command, err := readCommand(in)
			if err != nil {
				return
			}
			answer := "+OK"
			switch strings.ToUpper(command) {
			case "HELLO":
				answer = "-ERR unknown command 'HELLO'"
			case "PING":
				answer = "+PONG"
			case "SUBSCRIBE", "PSUBSCRIBE":
				if answer = subscribe; answer == "" {
					return
				}
			}
			if answer != "silence" {
				fmt.Fprintf(conn, "%s\r\n", answer)
			}
		}
	})
	return "redis://" + addr
}

// readCommand reads a command with its arguments, and returns its name.
func readCommand(in *bufio.Reader) (name string, err error) {
	var n, size int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
		return "", err
	}
	for i := range n {
		if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
			return "", err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return "", err
		}
		if i == 0 {
			name = string(text[:size])
		}
	}
	return name, nil
}

// TestWithoutConfirmationItIsNotReady proves that a run ends with an error behind a proxy that refuses
// SUBSCRIBE, closes the connection, or sends no confirmation while it answers pings.
func TestWithoutConfirmationItIsNotReady(t *testing.T) {
	for subscribe, want := range map[string]string{
		"-ERR unsupported command": "unsupported command", "": "lost the connection", "silence": "has not confirmed",
	} {
		o := Options{URL: options.NewURL(withoutPubSub(t, subscribe)), Channels: []string{"a"}, Ping: options.Duration(time.Second), Buffer: Buffer{Messages: 10, Bytes: 1 << 20}}
		impl, err := build(o, plugintest.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		h := &recorder{ready: make(chan struct{}), each: make(chan string, 10)}
		if err := impl.Run(testenv.Context(t), h); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", subscribe, err)
		}
		select {
		case <-h.ready:
			t.Errorf("%q: it is ready", subscribe)
		default:
		}
	}
}
