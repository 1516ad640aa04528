package redisconn

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestDenials proves that each denial names the command, also in a script, a pipeline and a
// transaction, and is still a reply of the server.
func TestDenials(t *testing.T) {
	server, port := testenv.StartRedis(t)
	admin, ctx := clientAt(t, server.URL()), testenv.Context(t)
	if err := admin.Do(ctx, "ACL", "SETUSER", "limited", "on", ">pw", "~k", "&c", "+@all", "-get", "-incrby").Err(); err != nil {
		t.Fatal(err)
	}
	limited := clientAt(t, fmt.Sprintf("redis://limited:pw@127.0.0.1:%d", port))
	script := func(text string) func() error {
		return func() error { return redis.NewScript(text).Run(ctx, limited, []string{"k"}).Err() }
	}
	in := func(p redis.Pipeliner, f func(redis.Pipeliner) redis.Cmder) error {
		p.Set(ctx, "k", 1, 0)
		denied := f(p)
		_, err := p.Exec(ctx)
		if err == nil || denied.Err() == nil || err.Error() != denied.Err().Error() {
			t.Errorf("the pipeline's error is %v, the command's %v", err, denied.Err())
		}
		return err
	}
	const hint = "; gateway plugins NAME --acl prints the rights that are needed"
	for want, f := range map[string]func() error{
		"NOPERM this user has no permissions to run the 'get' command":                                    func() error { return limited.Get(ctx, "k").Err() },
		"NOPERM this user has no permissions to access one of the keys used as arguments (SET other)":     func() error { return limited.Set(ctx, "other", 1, 0).Err() },
		"NOPERM this user has no permissions to access one of the channels used as arguments (PUBLISH x)": func() error { return limited.Publish(ctx, "x", "y").Err() },
		"NOPERM this user has no permissions to run the 'incrby' command": func() error {
			return in(limited.TxPipeline(), func(p redis.Pipeliner) redis.Cmder { return p.IncrBy(ctx, "k", 1) })
		},
		"NOPERM this user has no permissions to access one of the keys used as arguments (SET another)": func() error {
			return in(limited.Pipeline(), func(p redis.Pipeliner) redis.Cmder { return p.Set(ctx, "another", 1, 0) })
		},
	} {
		if err := f(); err == nil || err.Error() != want+hint || !redis.HasErrorPrefix(err, "NOPERM") || ownerOf(err.Error()) == unknown {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for _, text := range []string{"return redis.call('GET', KEYS[1])", "return redis.call('SET', 'x', 1)", "return redis.call('PUBLISH', 'x', 1)"} {
		if err := script(text)(); err == nil || !isNamed(err) || ownerOf(err.Error()) == unknown {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := limited.Set(context.WithoutCancel(ctx), "k", 1, 0).Err(); err != nil {
		t.Error(err)
	}
}

// TestDeniedNameDecidesNothing proves that the failure of one key or channel stays the event's, whatever its name
// is: the error repeats the name, but only the server's reply is classified.
func TestDeniedNameDecidesNothing(t *testing.T) {
	server, port := testenv.StartRedis(t)
	admin, ctx := clientAt(t, server.URL()), testenv.Context(t)
	if err := admin.Do(ctx, "ACL", "SETUSER", "limited", "on", ">pw", "~k", "&c", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	limited := clientAt(t, fmt.Sprintf("redis://limited:pw@127.0.0.1:%d", port))
	for _, name := range []string{"orders", "backend:orders", "authentication", "password", "read only"} {
		for _, err := range []error{limited.Set(ctx, name, 1, 0).Err(), limited.Publish(ctx, name, "x").Err()} {
			if err == nil || plugin.IsUnavailable(Unavailable(err, err, Command{SingleEvent: true})) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
