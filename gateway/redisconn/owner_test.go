package redisconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"eventgateway/gateway/plugin"
)

// TestOwnerOfReplies proves that each error reply has one owner. The replies are those of Redis 6
// to 8 and Valkey, or of proxies in front of them.
func TestOwnerOfReplies(t *testing.T) {
	for text, want := range map[string]owner{
		"NOAUTH Authentication required.":                                                                                                 ofServer,
		"WRONGPASS invalid username-password pair or user is disabled.":                                                                   ofServer,
		"DENIED Redis is running in protected mode because ...":                                                                           ofServer,
		"NOPROTO unsupported protocol version":                                                                                            ofServer,
		"NOPERM User x has no permissions to run the 'evalsha' command":                                                                   ofServer,
		"NOPERM this user has no permissions to run the 'publish' command":                                                                ofServer,
		"ERR The user executing the script can't run this command or subcommand":                                                          ofServer,
		"OOM command not allowed when used memory > 'maxmemory'.":                                                                         ofServer,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable":                                                    ofServer,
		"MISCONF Errors writing to the AOF file: No space left on device":                                                                 ofServer,
		"READONLY You can't write against a read only replica.":                                                                           ofServer,
		"READONLY You can't write against a read only replica. script: 5e, on @user_script:12.":                                           ofServer,
		"ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You can't write against a read only replica.": ofServer,
		"ERR Error running script (call to f_1): @user_script:9: -OOM command not allowed when used memory > 'maxmemory'.":                ofServer,
		"ERR Error running script (call to f_1): @user_script:9: WRONGTYPE Operation against a key holding the wrong kind of value":       ofName,
		"NOREPLICAS Not enough good replicas to write.":                                                                                   ofServer,
		"IOERR error or timeout reading to target instance":                                                                               ofServer,
		"LOADING Redis is loading the dataset in memory":                                                                                  ofServer,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.":                                          ofServer,
		"NOTBUSY No scripts in execution right now.":                                                                                      ofServer,
		"UNKILLABLE Sorry the script already executed write commands":                                                                     ofServer,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                                                ofServer,
		"NOMASTERLINK Can't SYNC while not connected with my master":                                                                      ofServer,
		"CLUSTERDOWN The cluster is down":                                                                                                 ofServer,
		"CLUSTERDOWN Hash slot not served":                                                                                                ofServer,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                                                         ofServer,
		"MOVED 3999 127.0.0.1:6381":                                                                                                       ofServer,
		"ASK 3999 127.0.0.1:6381":                                                                                                         ofServer,
		"REDIRECT 127.0.0.1:6381":                                                                                                         ofServer,
		"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)":                                    ofServer,
		"INPROG Failover already in progress":                                                                                             ofServer,
		"NOGOODSLAVE No suitable replica to promote":                                                                                      ofServer,
		"NOQUORUM 1 usable Sentinels. Not enough available Sentinels":                                                                     ofServer,
		"NOSCRIPT No matching script. Please use EVAL.":                                                                                   ofServer,
		"EXECABORT Transaction discarded because of previous errors.":                                                                     ofServer,
		"ERR max number of clients reached":                                                                                               ofServer,
		"ERR unknown command 'EVALSHA', with args beginning with:":                                                                        ofServer,
		"ERR AUTH <password> called without any password configured for the default user":                                                 ofServer,
		"ERR Client sent AUTH, but no password is set":                                                                                    ofServer,
		"ERR invalid password":                                                                                       ofServer,
		"ERR DB index is out of range":                                                                               ofServer,
		"ERR SELECT is not allowed in cluster mode":                                                                  ofServer,
		"ERR This instance has cluster support disabled":                                                             ofServer,
		"ERR no upstream host":                                                                                       ofServer,
		"ERR Connection refused":                                                                                     ofServer,
		"WRONGTYPE Operation against a key holding the wrong kind of value":                                          ofName,
		"CROSSSLOT Keys in request don't hash to the same slot":                                                      ofName,
		"NOGROUP No such key 'a' or consumer group 'b' in XREADGROUP with GROUP option":                              ofName,
		"BUSYGROUP Consumer Group name already exists":                                                               ofName,
		"BUSYKEY Target key name already exists.":                                                                    ofName,
		"NOKEY no such key":                                                                                          ofName,
		"NOPERM No permissions to access a key":                                                                      ofName,
		"NOPERM User x has no permissions to access the 'orders.1' channel":                                          ofName,
		"NOPERM this user has no permissions to access one of the channels used as arguments":                        ofName,
		"ERR ACL failure in script: User x has no permissions to access the 'orders.1' channel":                      ofName,
		"ERR The user executing the script can't publish to the channel mentioned in the command":                    ofName,
		"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments": ofName,
		"FENCED by the leader of term 17":                                                                            ofEvent,
		"ERR string exceeds maximum allowed size (proto-max-bulk-len)":                                               ofEvent,
		"ERR Protocol error: invalid bulk length":                                                                    ofEvent,
		"ERR Error running script (call to f_1): @user_script:28: too many results to unpack":                        ofEvent,
		"ERR you said something":                                                                                     unknown,
		"":                                                                                                           unknown,
	} {
		if got := ownerOf(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	for word := range owners { // the first word decides before the text
		if got := ownerOf(word + " too many, no permissions"); got != owners[word] {
			t.Errorf("%s: %d", word, got)
		}
	}
}

// TestUnavailable proves that the failure of a key or channel is the server's where all events go
// there, and that an unknown error is the failure of a single event.
func TestUnavailable(t *testing.T) {
	const server, name, event, odd = ReplyError("READONLY x"), ReplyError("WRONGTYPE x"), ReplyError("ERR too big"), ReplyError("ERR odd")
	for _, command := range []Command{{}, {SingleEvent: true}, {FixedKeys: true}, {SingleEvent: true, FixedKeys: true}} {
		for err, want := range map[error]bool{
			server: true, name: command.FixedKeys, event: false, odd: !command.SingleEvent,
			io.EOF: true, context.DeadlineExceeded: true, errors.New("redis: cluster has no nodes"): true, context.Canceled: false,
		} {
			wrapped := fmt.Errorf("redis: %w", err)
			if got := Unavailable(wrapped, wrapped, command); plugin.IsUnavailable(got) != want || got.Error() != wrapped.Error() {
				t.Errorf("%v, %+v: unavailable %t", err, command, !want)
			}
		}
	}
	if Unavailable(nil, nil, Command{}) != nil {
		t.Error("nil gives an error")
	}
}

func TestCheckSize(t *testing.T) {
	if CheckSize(512<<20) != nil || !plugin.IsPermanent(CheckSize(512<<20+1)) {
		t.Error("the limit is not 512 MiB")
	}
}
