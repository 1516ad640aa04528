package redisconn

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"redis://u:p@h:1/2":                         "[h:1] db 2 user u p",
		"rediss://h":                                "[h:6379] db 0 user   TLS",
		"unix:///run/redis.sock":                    "[/run/redis.sock] db 0 user  ",
		"redis-cluster://u:p@a:1?addr=b:2&addr=c:3": "[a:1 b:2 c:3] db 0 user u p cluster",
		"redis://h/1?family=6&connectTimeout=9&maxRetriesPerRequest=null&lazyConnect=true": "[h:6379] db 1 user   IPv6",
		"redis://h?family=4&db=3":                           "[h:6379] db 3 user   IPv4",
		"redis://h?family=0":                                "[h:6379] db 0 user  ",
		"rediss-cluster://a:1":                              "[a:1] db 0 user   TLS cluster",
		"redis-sentinel://u:p@a:1/3?master_name=m&addr=b:2": "[a:1 b:2] db 3 user u p master m  ",
		"rediss-sentinel://a?master_name=m&sentinel_username=x&sentinel_password=y": "[a:6379] db 0 user   TLS master m x y",
	} {
		c, err := Parse(options.NewURL(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		o := c.options
		got := fmt.Sprintf("%v db %d user %s %s", o.Addrs, o.DB, o.Username, o.Password)
		if o.TLSConfig != nil {
			got += " TLS"
		}
		if c.family != "" {
			got += " IPv" + c.family
		}
		if o.IsClusterMode {
			got += " cluster"
		}
		if o.MasterName != "" {
			got += fmt.Sprintf(" master %s %s %s", o.MasterName, o.SentinelUsername, o.SentinelPassword)
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"redis://u:geheim@h:1/x":                             "is not a Redis URL",
		"redis-cluster://u:geheim@h:1/2":                     "is not the URL of a Redis Cluster",
		"redis-sentinel://u:geheim@h:1":                      "does not say which master",
		"redis-sentinel://u:geheim@h:1?master_name=m&what=1": "has the parameter what, which means nothing here",
		"redis://u:geheim@h?family=5":                        "none of 4, 6 and 0",
		"redis://u:geheim@h?tls=true":                        "has the parameter tls",
		"rediss-sentinel://u:geheim@h:1?master_name=m&db=x":  "is not a URL of Redis Sentinels",
	} {
		_, err := Parse(options.NewURL(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSameSlotKey(t *testing.T) {
	for key, want := range map[string]string{"orders": "{orders}:x", "a{b}c": "a{b}c:x", "{a": "{{a}:x"} {
		if got := SameSlotKey(key, ":x"); got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
}

// TestServerClusterAndSentinel proves that each kind of Redis can be used, and that the client
// follows a failover of Sentinels.
func TestServerClusterAndSentinel(t *testing.T) {
	sentinel, kill, failedOver := testenv.Sentinel(t)
	cluster := testenv.Cluster(t)
	connect := func(url string) redis.UniversalClient {
		c, err := Parse(options.NewURL(url))
		if err != nil {
			t.Fatal(err)
		}
		client := c.NewClient()
		t.Cleanup(func() { client.Close() })
		return client
	}
	for _, url := range []string{testenv.Redis(t).URL(), cluster, sentinel} {
		client := connect(url)
		if _, ok := Probe(t.Context(), client, options.NewURL(url)); !ok {
			t.Errorf("no connection to %s", url)
		}
		for i := range 20 { // on every server of the cluster
			key := fmt.Sprint("key", i)
			both := redis.NewScript("redis.call('SET', KEYS[1], 1); return redis.call('SET', KEYS[2], 1)")
			if err := both.Run(t.Context(), client, []string{key, SameSlotKey(key, ":x")}).Err(); err != nil && !errors.Is(err, redis.Nil) {
				t.Errorf("%s at %s: %v", key, url, err)
			}
		}
	}
	client := connect(sentinel)
	if err := client.Set(t.Context(), "before", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	kill()
	failedOver()
	err := client.Set(t.Context(), "after", 1, 0).Err()
	for range 3 { // each old connection fails once
		if err != nil {
			err = client.Set(t.Context(), "after", 1, 0).Err()
		}
	}
	if err != nil {
		t.Errorf("the client does not find the new master: %v", err)
	}
}
