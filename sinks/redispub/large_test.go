package redispub

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestPayloadAboveTheServersLimit proves that the event fails for good, whether the server replies or
// closes the connection. The others of its write are published in order.
func TestPayloadAboveTheServersLimit(t *testing.T) {
	server, _ := testenv.StartRedis(t, "--proto-max-bulk-len", "1mb")
	o, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	defer client.Close()
	for _, key := range []string{"", "count"} {
		for _, size := range []int{1<<20 + 100, 20 << 20} {
			t.Run(fmt.Sprintf("%s%d", key, size), func(t *testing.T) {
				sub := client.Subscribe(t.Context(), "c")
				defer sub.Close()
				if _, err := sub.Receive(testenv.Context(t)); err != nil {
					t.Fatal(err)
				}
				s, err := build(Options{URL: options.NewURL(server.URL()), Channel: expr.MustTemplate("c"), Sequence: Sequence{Key: key, Field: "n"}}, plugintest.Env(t))
				if err != nil {
					t.Fatal(err)
				}
				defer s.(*sink).client.Close()
				large := `{"a":"` + strings.Repeat("x", size) + `"}`
				var batch []*event.Event
				for _, data := range []string{`{"id":1}`, large, `{"id":2}`, `{"a":"` + strings.Repeat("y", 900<<10) + `"}`, large, `{"id":3}`} {
					batch = append(batch, &event.Event{Data: []byte(data)})
				}
				err = s.Write(testenv.Context(t), batch)
				each, single := plugin.Outcomes(err, len(batch))
				if !single || each[0] != nil || each[2] != nil || each[3] != nil || each[5] != nil {
					t.Fatalf("got %v", err)
				}
				for _, i := range []int{1, 4} {
					if why := each[i]; !plugin.IsPermanent(why) || plugin.IsUnavailable(why) {
						t.Errorf("event %d: %v", i, why)
					}
				}
				for _, want := range []string{`{"id":1`, `{"id":2`, `{"a":"yyy`, `{"id":3`} {
					msg, err := sub.ReceiveMessage(testenv.Context(t))
					if err != nil || !strings.HasPrefix(msg.Payload, want) {
						t.Fatalf("got %.20v, %v, want %s", msg, err, want)
					}
				}
			})
		}
	}
}
