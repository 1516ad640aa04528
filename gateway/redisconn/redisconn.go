// Package redisconn connects plugins to Redis: to one server, to the master that Sentinels name,
// or to a cluster.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"eventgateway/gateway/options"
)

// Bounds of one attempt to connect, and of the time without progress while reading or writing.
const (
	dialTimeout  = 5 * time.Second
	readTimeout  = 3 * time.Second
	writeTimeout = 3 * time.Second
)

// Config describes how to connect to a Redis.
type Config struct {
	options redis.UniversalOptions
	family  string // of addresses: 4, 6, or "" for both
}

// Parse reads the URL of a Redis, without I/O. Its error never contains the URL, which may hold a
// password. Besides the URLs of go-redis it accepts:
//
//	redis-cluster://user:password@host:6379?addr=host2:6379&addr=host3:6379
//	redis-sentinel://user:password@host:26379/0?master_name=NAME&addr=host2:26379
//
// User and password are those of the Redis servers; sentinel_username and
// sentinel_password those of the Sentinels. With rediss- in front they speak TLS.
func Parse(u options.URL) (*Config, error) {
	silenceOnce.Do(func() { redis.SetLogger(noLogger{}) })
	if err := new(options.URL).UnmarshalText([]byte(u.Reveal())); err != nil { // no decoder may have read this URL
		return nil, err
	}
	c := &Config{}
	text, err := c.stripParams(redisScheme(u))
	if err != nil {
		return nil, err
	}
	switch kind := u.Scheme(); kind {
	case "redis-cluster", "rediss-cluster":
		err = c.parseCluster(text)
	case "redis-sentinel", "rediss-sentinel":
		err = c.parseSentinel(text)
	default:
		err = c.parseOne(text)
	}
	if err != nil {
		return nil, err
	}
	o := &c.options
	o.OnConnect = nameConnection
	o.DisableIdentity = true // CLIENT SETINFO is an error on servers before 7.2
	o.Protocol = 2           // Pub/Sub needs nothing of RESP3, and 2 works with every server and proxy
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1 // the router retries
	o.DialerRetries = 1
	o.PoolSize = 2          // one connection for a blocking read, one for everything else
	o.PipelinePoolSize = -1 // no connections of their own for pipelines
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, readTimeout, writeTimeout
	o.Dialer = dialer(o.TLSConfig, c.family)
	return c, nil
}

// nameConnection gives a connection its name in CLIENT LIST. It uses HELLO, which needs no right,
// unlike CLIENT SETNAME. Servers and proxies without HELLO show no name.
func nameConnection(ctx context.Context, c *redis.Conn) error {
	err := c.Hello(ctx, 2, "", "", "eventgateway").Err()
	if IsReply(err) {
		return nil
	}
	return err
}

// redisScheme returns the URL with a scheme of go-redis: redis, or rediss for TLS.
func redisScheme(u options.URL) string {
	kind, rest, _ := strings.Cut(u.Reveal(), "://")
	kind, _, _ = strings.Cut(strings.ToLower(kind), "-")
	return kind + "://" + rest
}

func (c *Config) parseOne(text string) error {
	o, err := redis.ParseURL(text)
	if err != nil {
		return errors.New("is not a Redis URL; write redis://user:password@host:6379/0, rediss://... for TLS, or unix:///path/to/socket")
	}
	c.options = redis.UniversalOptions{Addrs: []string{o.Addr}, DB: o.DB, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig}
	return nil
}

func (c *Config) parseCluster(text string) error {
	o, err := redis.ParseClusterURL(text)
	if u, perr := url.Parse(text); err != nil || perr != nil || strings.Trim(u.Path, "/") != "" { // a cluster has one database
		return errors.New("is not the URL of a Redis Cluster; write redis-cluster://user:password@host:6379?addr=host2:6379")
	}
	c.options = redis.UniversalOptions{IsClusterMode: true, Addrs: o.Addrs, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig}
	return nil
}

func (c *Config) parseSentinel(text string) error {
	const help = "write redis-sentinel://user:password@host:26379/0?master_name=NAME&addr=host2:26379"
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("is not a URL of Redis Sentinels; " + help)
	}
	query := u.Query()
	user, password := query.Get("sentinel_username"), query.Get("sentinel_password")
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	u.RawQuery = query.Encode()
	o, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return errors.New("is not a URL of Redis Sentinels; " + help)
	}
	if o.MasterName == "" {
		return errors.New("does not say which master the Sentinels watch; " + help)
	}
	servers, _ := u.User.Password()
	c.options = redis.UniversalOptions{
		MasterName: o.MasterName, Addrs: o.SentinelAddrs, SentinelUsername: user, SentinelPassword: password,
		DB: o.DB, Username: u.User.Username(), Password: servers, TLSConfig: o.TLSConfig,
	}
	return nil
}

// URLDoc is the help text of an option that holds the URL of a Redis, after its first sentence.
const URLDoc = "rediss:// is for TLS, and unix:///path a socket; redis-sentinel://host:26379?master_name=NAME, redis-cluster://host:6379, with &addr=host2:port for more of them"

// NewClient returns a client, which connects with its first command.
func (c *Config) NewClient() redis.UniversalClient {
	o := c.options
	var client redis.UniversalClient
	if o.IsClusterMode {
		client = newCluster(o.Cluster())
	} else {
		client = redis.NewUniversalClient(&o)
	}
	if o.MasterName != "" {
		client.AddHook(sentinelHook{o.MasterName})
	}
	client.AddHook(denialHook{})
	return client
}

// NodeFor returns the master of a cluster that has a key, or client itself without a cluster.
// Commands without a key, such as PUBLISH, keep their order only on one server.
func NodeFor(ctx context.Context, client redis.UniversalClient, key string) (redis.UniversalClient, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return client, nil
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("cannot find the cluster's master for the key: %w", err)
	}
	return node, nil
}

// SameSlotKey returns key with suffix, as the name of a key in the same slot of a cluster.
func SameSlotKey(key, suffix string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" { // the part that the cluster hashes
			return key + suffix
		}
	}
	return "{" + key + "}" + suffix
}

// CheckKey returns an error for a key of a cluster with which [SameSlotKey] does not work: the slot
// depends on what is in braces.
func (c *Config) CheckKey(key string) error {
	braced := SameSlotKey(key, "")
	if c.options.IsClusterMode && braced != key && strings.Contains(key, "}") {
		return errors.New("in a cluster the name cannot have a } but behind { and some text")
	}
	return nil
}

// silenceOnce guards the change of the logger of go-redis, which is global.
var silenceOnce sync.Once

// noLogger discards the log of go-redis, which goes to standard error, and repeats what commands
// return.
type noLogger struct{}

func (noLogger) Printf(context.Context, string, ...any) {}
