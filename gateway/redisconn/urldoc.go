package redisconn

// URLDoc is what options say of a URL of Redis, behind the first sentence.
const URLDoc = "rediss:// is for TLS, and unix:///path a socket; redis-sentinel://host:26379?master_name=NAME, redis-cluster://host:6379, with &addr=host2:port for more of them"
