package redisconn

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ignoredParams are URL parameters of earlier Node.js clients and of go-redis that change nothing
// here: they tune a client's connections.
var ignoredParams = map[string]bool{
	"connectTimeout": true, "commandTimeout": true, "keepAlive": true, "noDelay": true, "connectionName": true, "lazyConnect": true, "dropBufferSupport": true,
	"maxRetriesPerRequest": true, "enableReadyCheck": true, "enableOfflineQueue": true, "enableAutoPipelining": true, "autoResubscribe": true,
	"autoResendUnfulfilledCommands": true, "showFriendlyErrorStack": true, "allowUsernameInURI": true,
	"protocol": true, "client_name": true, "max_retries": true, "min_retry_backoff": true, "max_retry_backoff": true, "dial_timeout": true,
	"read_timeout": true, "write_timeout": true, "pool_fifo": true, "pool_size": true, "pool_timeout": true, "min_idle_conns": true,
	"max_idle_conns": true, "max_active_conns": true, "conn_max_idle_time": true, "conn_max_lifetime": true, "idle_timeout": true, "max_conn_age": true,
}

// passedParams are the URL parameters that go-redis reads.
var passedParams = map[string]bool{"db": true, "addr": true, "master_name": true, "skip_verify": true, "sentinel_username": true, "sentinel_password": true}

// stripParams removes the parameters from a URL that go-redis does not read. It applies family, by
// which ioredis chooses IPv4 or IPv6. It returns an error that names an unknown parameter.
func (c *Config) stripParams(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.RawQuery == "" {
		return text, nil // the parser of go-redis reports what is wrong
	}
	query := u.Query()
	for name, values := range query {
		switch {
		case name == "family":
			switch values[0] {
			case "4", "IPv4":
				c.family = "4"
			case "6", "IPv6":
				c.family = "6"
			case "0", "":
			default:
				return "", errors.New("has the parameter family with a value that is none of 4, 6 and 0")
			}
		case ignoredParams[name]:
		case passedParams[name]:
			continue
		default:
			return "", fmt.Errorf("has the parameter %s, which means nothing here: leave it out; in a password write ? as %%3F", strings.Map(printable, name))
		}
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// printable replaces characters that a terminal could interpret.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}
