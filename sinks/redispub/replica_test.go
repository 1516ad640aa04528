package redispub

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
	"eventgateway/gateway/testenv"
)

// TestDemotedMaster proves that the sink is down while its server is a replica, with numbers and
// without: a replica accepts messages, and they do not reach its master.
func TestDemotedMaster(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	_, port := testenv.StartRedis(t)
	at, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	admin, ctx := redis.NewClient(at), testenv.Context(t)
	defer admin.Close()
	for _, sequence := range []string{"", "count"} {
		o := Options{URL: options.NewURL(server.URL()), Channel: expr.MustTemplate("orders"), Sequence: Sequence{Key: sequence, Field: "_pub_id"}}
		sink, err := Type().Build(&o, plugin.Env{})
		if err != nil {
			t.Fatal(err)
		}
		write := func() error { return sink.Write(ctx, []*event.Event{{Data: []byte(`{"n":1}`), Time: time.Now()}}) }
		if err := write(); err != nil {
			t.Fatal(err)
		}
		if err := admin.ReplicaOf(ctx, "127.0.0.1", fmt.Sprint(port)).Err(); err != nil {
			t.Fatal(err)
		}
		if err := write(); err == nil || !plugin.IsUnavailable(err) && !strings.Contains(err.Error(), "READONLY") {
			t.Errorf("sequence %q, at a replica: %v", sequence, err)
		}
		if err := admin.ReplicaOf(ctx, "NO", "ONE").Err(); err != nil {
			t.Fatal(err)
		}
		if err := write(); err != nil {
			t.Errorf("sequence %q, at a master again: %v", sequence, err)
		}
		sink.(plugin.Closer).Close(ctx)
	}
}
