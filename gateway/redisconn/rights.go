package redisconn

import "eventgateway/gateway/plugin"

// SentinelRightsFor is what the rights are for that the user needs at the Sentinels, and not at the servers.
const SentinelRightsFor = "the Sentinels, at each of them: of the user that sentinel_username in url names"

// Rights returns the rights of a plugin's user: own, and those that every plugin needs.
func Rights(own ...plugin.Right) []plugin.Right {
	own[0].Rules = "+ping " + own[0].Rules
	return append(own,
		plugin.Right{For: "a cluster", Rules: "+command +cluster|slots +asking"},
		plugin.Right{For: SentinelRightsFor, Rules: "+ping +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe &+switch-master &+replica-reconf-done"},
		plugin.Right{For: "gateway check --live, which says what it cannot see without", Rules: "+acl|whoami +acl|dryrun +info +type +config|get"})
}

// ReplicaRights are the rights of a source that reads at a replica, beside its own.
var ReplicaRights = plugin.Right{For: "a replica, which it asks whether that follows its master", Rules: "+role"}

// LeaderRights are the rights of a source with the option leader.
var LeaderRights = plugin.Right{For: "leader", Rules: "+eval +evalsha +get +set +time +pexpire +del ~eventgateway:leader:{LEADER}*"}
