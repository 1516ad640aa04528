package redisstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestOrphanedReplica proves that a source that waits for entries notices that its server has become a replica, where that has
// no master, or the source stores its position. It reads on once the server is a master again.
func TestOrphanedReplica(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"no position": func(o *Options) { o.Stream = "s" },
		"name":        func(o *Options) { o.Stream, o.Name = "s", "me" },
		"group":       member("s", "a"),
	} {
		t.Run(name, func(t *testing.T) {
			server, port := testenv.StartRedis(t)
			admin := client(t, port)
			r := start(t, func(o *Options) {
				set(o)
				o.URL, o.ClaimAfter = options.NewURL(server.URL()), options.Duration(4*time.Second)
			}, nil)
			appendTo(t, admin, "", "1")
			r.want("1")
			if err := admin.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(testenv.FreePort(t))).Err(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // and not ready in between
				select {
				case err := <-r.errs:
					if !plugin.IsUnavailable(err) || !strings.Contains(err.Error(), "replica") {
						t.Errorf("%t %v", plugin.IsUnavailable(err), err)
					}
				case <-time.After(testenv.Wait):
					t.Fatal("it notices nothing")
				}
			}
			if err := admin.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
				t.Fatal(err)
			}
			appendTo(t, admin, "", "2")
			for range 100 { // without a position, or after unsaved acks, entries may come again
				if e := r.next(); string(e.Data) == "2" {
					return
				}
			}
			t.Error("the entry has not come")
		})
	}
}
