// Package redisconn connects to Redis for all plugins that speak it: to one server, to
// the master that Sentinel names, or to a cluster.
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

// Bounds of one attempt to connect, and of how long nothing passes while it reads or writes.
const (
	dialTimeout  = 5 * time.Second
	readTimeout  = 3 * time.Second
	writeTimeout = 3 * time.Second
)

// Config is where a Redis is.
type Config struct {
	options redis.UniversalOptions
	family  string // of addresses: 4, 6, or "" for both
}

// Parse reads the URL of a Redis, without I/O. Its error never repeats the URL, which
// may hold a password. Beside go-redis's own URLs these are known:
//
//	redis-cluster://user:password@host:6379?addr=host2:6379&addr=host3:6379
//	redis-sentinel://user:password@host:26379/0?master_name=NAME&addr=host2:26379
//
// User and password are those of the Redis servers; sentinel_username and
// sentinel_password those of the Sentinels. With rediss- in front they speak TLS.
func Parse(u options.URL) (*Config, error) {
	silenceOnce.Do(func() { redis.SetLogger(noLogger{}) })
	if err := new(options.URL).UnmarshalText([]byte(u.Reveal())); err != nil { // of a URL that no decoder has read
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
	o.PoolSize = 2          // nobody here needs more at the same time: one may wait for news, one sends
	o.PipelinePoolSize = -1 // no connections of their own for pipelines
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = dialTimeout, readTimeout, writeTimeout
	o.Dialer = dialer(o.TLSConfig, c.family)
	return c, nil
}

// name gives a connection its name in CLIENT LIST. Every user may say HELLO, and CLIENT SETNAME
// only those whom that is allowed; a server or proxy that knows no HELLO shows no name.
func nameConnection(ctx context.Context, c *redis.Conn) error {
	err := c.Hello(ctx, 2, "", "", "eventgateway").Err()
	if reply := redis.Error(nil); errors.As(err, &reply) {
		return nil
	}
	return err
}

// plain returns the URL as go-redis knows it: redis://, or rediss:// for TLS.
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
	client.AddHook(denialHook{})
	return client
}

// NodeFor returns the server that has a key, where the client is that of a cluster: what
// belongs to no key, as a PUBLISH, keeps its order only on one server.
func NodeFor(ctx context.Context, client redis.UniversalClient, key string) (redis.UniversalClient, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return client, nil
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("cannot see which server of the cluster to send to: %w", err)
	}
	return node, nil
}

// SameSlotKey returns the name of a key that is on the same server of a cluster as key.
func SameSlotKey(key, suffix string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" { // the part that the cluster hashes
			return key + suffix
		}
	}
	return "{" + key + "}" + suffix
}

// CheckKey says whether [SameSlotKey] works for a key: a cluster goes by what is in braces.
func (c *Config) CheckKey(key string) error {
	beside := SameSlotKey(key, "")
	if c.options.IsClusterMode && beside != key && strings.Contains(key, "}") {
		return errors.New("in a cluster the name cannot have a } but behind { and some text")
	}
	return nil
}

// go-redis logs to standard error, past every setting, what it returns as well.
var silenceOnce sync.Once

type noLogger struct{}

func (noLogger) Printf(context.Context, string, ...any) {}
