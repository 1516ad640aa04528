package redisstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// sinkAt returns a sink for a stream at a server, and a client of the server.
func sinkAt(t *testing.T, server, url string) (*sink, *redis.Client) {
	t.Helper()
	o, err := redis.ParseURL(server)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	s, err := build(Options{URL: options.NewURL(url), Stream: expr.MustTemplate("large")}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(*sink).client.Close() })
	return s.(*sink), client
}

func entriesOf(t *testing.T, client *redis.Client) (data []string) {
	t.Helper()
	all, err := client.XRange(testenv.Context(t), "large", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		data = append(data, m.Values["data"].(string))
	}
	return data
}

// TestPayloadAboveTheServersLimit proves that the event fails for good, whether the server replies or
// closes the connection. The others of its write are appended once, in order.
func TestPayloadAboveTheServersLimit(t *testing.T) {
	server, _ := testenv.StartRedis(t, "--proto-max-bulk-len", "1mb")
	for _, size := range []int{1<<20 + 100, 20 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s, client := sinkAt(t, server.URL(), server.URL())
			client.Del(t.Context(), "large")
			large := strings.Repeat("x", size)
			var batch []*event.Event
			for _, data := range []string{"1", large, "2", strings.Repeat("y", 900<<10), large, "3"} {
				batch = append(batch, &event.Event{Data: []byte(data)})
			}
			err := s.Write(testenv.Context(t), batch)
			each, single := plugin.Outcomes(err, len(batch))
			if !single || each[0] != nil || each[2] != nil || each[3] != nil || each[5] != nil {
				t.Fatalf("got %v", err)
			}
			for _, i := range []int{1, 4} {
				if why := each[i]; !plugin.IsPermanent(why) || plugin.IsUnavailable(why) {
					t.Errorf("event %d: %v", i, why)
				}
			}
			got := entriesOf(t, client)
			if len(got) != 4 || got[0] != "1" || got[1] != "2" || len(got[2]) != 900<<10 || got[3] != "3" {
				t.Errorf("%d entries: %.10q", len(got), got)
			}
		})
	}
}

// TestLargePayloadOnSlowLink proves that a payload is appended once whose transfer takes longer than
// the read timeout.
func TestLargePayloadOnSlowLink(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	proxy, url := testenv.ProxyURL(t, server.URL())
	proxy.Throttle(1 << 20)
	s, client := sinkAt(t, server.URL(), url)
	begin := time.Now()
	if err := s.Write(testenv.Context(t), []*event.Event{{Data: []byte(strings.Repeat("x", 8<<20))}}); err != nil {
		t.Fatalf("after %v: %v", time.Since(begin), err)
	}
	if got := entriesOf(t, client); len(got) != 1 || len(got[0]) != 8<<20 {
		t.Errorf("%d entries", len(got))
	}
}
