package redisconn

import "eventgateway/gateway/plugin"

// Rights returns the rights of a plugin's user: own, and those that every plugin needs.
func Rights(own ...plugin.Right) []plugin.Right {
	own[0].Rules = "+ping " + own[0].Rules
	return append(own,
		plugin.Right{For: "a cluster", Rules: "+command +cluster|slots +asking"},
		plugin.Right{For: "gateway check --live, which says what it cannot see without", Rules: "+acl|whoami +acl|dryrun +info +type +config|get"})
}

// LeaderRights are the rights of a source with the option leader.
var LeaderRights = plugin.Right{For: "leader", Rules: "+eval +evalsha +get +set +time +pexpire +del ~eventgateway:leader:{LEADER}*"}
