package options

// publicParams are the query parameters whose values are shown. Any other value may be secret. All parameters of libpq
// are public, except passwords and "options", which can hold any setting.
var publicParams = setOf(
	"host", "hostaddr", "port", "dbname", "user", "application_name", "fallback_application_name", "service", "servicefile", "passfile",
	"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "client_encoding",
	"replication", "target_session_attrs", "load_balance_hosts", "min_protocol_version", "max_protocol_version", "uselibpqcompat",
	"ssl", "sslmode", "sslcompression", "sslcert", "sslkey", "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "sslnegotiation",
	"ssl_min_protocol_version", "ssl_max_protocol_version", "gssencmode", "gsslib", "gssdelegation", "krbspn", "krbsrvname", "requirepeer",
	"require_auth", "channel_binding",
	"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "search_path", "timezone", "TimeZone", "datestyle", "DateStyle",
	"schema", "pgbouncer", "connection_limit", "pool_timeout", "pool_max_conns", // of other clients
	"db", "addr", "master_name", // of Redis
)

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
