package redissub

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// echoTimeout is the time that a message to itself may take.
const echoTimeout = 3 * time.Second

// Probe is part of [plugin.Prober].
func (s *source) Probe(ctx context.Context) []plugin.Finding {
	client := s.Config.NewClient()
	defer client.Close()
	first, ok := redisconn.Probe(ctx, client, s.opts.URL)
	findings := []plugin.Finding{first}
	if !ok {
		return findings
	}
	findings = append(findings, s.probeServer(ctx, client), s.probeSubscribe(ctx, client), s.probeGaps(ctx, client), probeEcho(ctx, client))
	return append(findings, s.probeLimit(ctx, client)...)
}

// probeServer reports whether the server to subscribe at gets what is published.
func (s *source) probeServer(ctx context.Context, client redis.UniversalClient) plugin.Finding {
	f := redisconn.ProbeReadable(ctx, client)
	if f.Level == plugin.Problem {
		return f
	}
	server, err := s.subscriber(ctx)
	if err == nil {
		defer server.Close()
		err = server.Begin(ctx)
	}
	if err != nil {
		return plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("cannot subscribe: %v", err), Fix: "see that the servers run and reach each other, or name another server in url"}
	}
	return f
}

// probeSubscribe reports whether the user may subscribe to the channels and patterns.
func (s *source) probeSubscribe(ctx context.Context, client redis.UniversalClient) plugin.Finding {
	if err := trySubscribe(ctx, client, s.opts.Channels, s.opts.Patterns); err != nil {
		return plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("cannot subscribe to %s: %v", s.opts.names(), err), Fix: "ACL SETUSER USER +subscribe +psubscribe &CHANNEL, as the server's administrator"}
	}
	return plugin.Finding{Text: "may subscribe to " + s.opts.names()}
}

// probeGaps reports whether the user may subscribe to the gap channels. Events do not depend on it.
func (s *source) probeGaps(ctx context.Context, client redis.UniversalClient) plugin.Finding {
	channels, patterns := s.opts.gapChannels()
	if err := trySubscribe(ctx, client, channels, patterns); err != nil {
		all := append(channels, patterns...)
		return plugin.Finding{
			Level: plugin.Warning, Text: fmt.Sprintf("cannot subscribe to gaps: %v. Gaps of the publisher are not forwarded to clients", err),
			Fix: "ACL SETUSER USER &" + strings.Join(all, " &") + ", as the server's administrator",
		}
	}
	return plugin.Finding{Text: "may subscribe to the gaps of these"}
}

// trySubscribe subscribes on a connection of its own, and waits for all confirmations.
func trySubscribe(ctx context.Context, client redis.UniversalClient, channels, patterns []string) (err error) {
	sub := client.Subscribe(ctx)
	defer sub.Close()
	if len(channels) > 0 {
		err = sub.Subscribe(ctx, channels...)
	}
	if err == nil && len(patterns) > 0 {
		err = sub.PSubscribe(ctx, patterns...)
	}
	for range len(channels) + len(patterns) {
		if err == nil {
			_, err = sub.ReceiveTimeout(ctx, echoTimeout)
		}
	}
	return err
}

// probeEcho sends a message to itself, on a channel with a random name.
func probeEcho(ctx context.Context, client redis.UniversalClient) plugin.Finding {
	channel := "eventgateway:check:" + rand.Text()
	sub := client.Subscribe(ctx, channel)
	defer sub.Close()
	_, err := sub.ReceiveTimeout(ctx, echoTimeout)
	if err == nil {
		err = client.Publish(ctx, channel, "echo").Err()
	}
	if err == nil {
		_, err = sub.ReceiveTimeout(ctx, echoTimeout)
	}
	if err != nil {
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("a message to itself was not received: %v", err), Fix: "nothing, if the user may use certain channels only; else check the server"}
	}
	return plugin.Finding{Text: "Pub/Sub works: a message to itself was received"}
}

// probeLimit reports the lag at which the server disconnects a subscriber. Hosted servers do not
// show it, which is a warning.
func (s *source) probeLimit(ctx context.Context, client redis.UniversalClient) []plugin.Finding {
	limits, err := client.ConfigGet(ctx, "client-output-buffer-limit").Result()
	if err != nil {
		return []plugin.Finding{{
			Level: plugin.Warning, Text: fmt.Sprintf("cannot tell how far a subscriber may be behind before the server kills it: %v", err),
			Fix: "ACL SETUSER USER +config|get, as the server's administrator; only this check needs it",
		}}
	}
	fields := strings.Fields(limits["client-output-buffer-limit"])
	for i, f := range fields {
		if f != "pubsub" || i+3 >= len(fields) {
			continue
		}
		hard, herr := strconv.ParseInt(fields[i+1], 10, 64)
		soft, serr := strconv.ParseInt(fields[i+2], 10, 64)
		if herr != nil || serr != nil {
			return nil
		}
		text := fmt.Sprintf("the server kills a subscriber that is %d MiB behind, or %d MiB for %s s", hard>>20, soft>>20, fields[i+3])
		if hard > 0 && hard < 8<<20 {
			return []plugin.Finding{{Level: plugin.Warning, Text: text + ": bursts will cost connections", Fix: "CONFIG SET client-output-buffer-limit 'pubsub 33554432 8388608 60'"}}
		}
		return []plugin.Finding{{Text: text}}
	}
	return nil
}
