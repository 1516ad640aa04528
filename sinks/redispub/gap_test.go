package redispub

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

// TestGapsGoToTheGapChannel proves that gaps are published on the gap channel, in order with the
// events, also in a cluster. The channel itself gets events only.
func TestGapsGoToTheGapChannel(t *testing.T) {
	for name, url := range map[string]string{"one": testenv.Redis(t).URL(), "cluster": testenv.Cluster(t)} {
		t.Run(name, func(t *testing.T) {
			for channel, tc := range map[string]struct{ gaps, prefix string }{
				"orders{x}":              {"eventgateway:gaps:orders{x}", ""},
				"orders.{{ event.key }}": {"eventgateway:gaps", "orders."},
			} {
				for _, seq := range []Sequence{{}, {Key: "gaps:seq", Field: "n"}} {
					conn, err := redisconn.Parse(options.NewURL(url))
					if err != nil {
						t.Fatal(err)
					}
					client := conn.NewClient()
					defer client.Close()
					events1 := strings.Replace(channel, "{{ event.key }}", "k", 1)
					sub := client.Subscribe(t.Context(), events1, tc.gaps)
					defer sub.Close()
					for range 2 {
						if _, err := sub.Receive(testenv.Context(t)); err != nil {
							t.Fatal(err)
						}
					}
					s, err := build(Options{URL: options.NewURL(url), Channel: expr.MustTemplate(channel), Sequence: seq}, plugintest.Env(t))
					if err != nil {
						t.Fatal(err)
					}
					defer s.(*sink).client.Close()
					write := func(payload string) {
						t.Helper()
						if err := s.Write(t.Context(), []*event.Event{{Key: "k", Data: []byte(payload)}}); err != nil {
							t.Fatal(err)
						}
					}
					noticed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
					write(`{"a":1}`)
					gap := plugin.Gap{Source: "db", Reason: "lost\n" + strings.Repeat("é", 1000), ID: "i", Time: noticed, ForwardedBy: "bus"}
					if err := s.(plugin.GapSink).Gap(t.Context(), gap); err != nil {
						t.Fatal(err)
					}
					write(`{"a":2}`)
					var got []string
					for range 3 {
						msg, err := sub.ReceiveMessage(testenv.Context(t))
						if err != nil {
							t.Fatal(err)
						}
						if msg.Channel == events1 {
							got = append(got, msg.Payload[:6])
							continue
						}
						g, prefix, ok := redisconn.DecodeGap(msg.Payload)
						if !ok || prefix != tc.prefix || g.Source != "db" || g.ID != "i" || !g.Time.Equal(noticed) || !strings.HasPrefix(g.Reason, "lost é") || len(g.Reason) > 500 || len(msg.Payload) > 1000 {
							t.Errorf("%s: %+v of %s", channel, g, msg.Payload)
						}
						got = append(got, "gap")
					}
					if strings.Join(got, " ") != `{"a":1 gap {"a":2` {
						t.Errorf("%s: %q", channel, got)
					}
				}
			}
		})
	}
}

// TestWithoutTheRightToPublishGaps proves that the sink warns once and publishes events, and gaps as
// soon as the right is granted.
func TestWithoutTheRightToPublishGaps(t *testing.T) {
	c := testenv.RedisClient(t)
	acl := func(rules ...any) {
		t.Helper()
		if err := c.Do(t.Context(), append([]any{"ACL", "SETUSER"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	acl("nogaps", "on", ">pw", "+@all", "~*", "resetchannels", "&plain")
	next, gaps := subscribe(t, "plain"), subscribe(t, redisconn.GapChannel("plain"))
	env := plugintest.Env(t)
	var log strings.Builder
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	u := strings.Replace(testenv.Redis(t).URL(), "redis://", "redis://nogaps:pw@", 1)
	impl, err := build(Options{URL: options.NewURL(u), Channel: expr.MustTemplate("plain")}, env)
	if err != nil {
		t.Fatal(err)
	}
	s := impl.(*sink)
	defer s.client.Close()
	for range 3 {
		if err := s.Gap(t.Context(), plugin.Gap{Reason: "lost", ID: "1"}); err != nil {
			t.Error(err)
		}
	}
	if err := s.Write(t.Context(), events(`{"a":1}`)); err != nil {
		t.Error(err)
	}
	if got := next(); got != `{"a":1}` {
		t.Errorf("got %s", got)
	}
	if n := strings.Count(log.String(), "gap publication denied"); n != 1 {
		t.Errorf("%d warnings: %s", n, log.String())
	}
	found := false
	for _, f := range s.Probe(t.Context()) {
		found = found || f.Level == plugin.Warning && strings.Contains(f.Text, "Gaps are not forwarded") && strings.Contains(f.Fix, "&eventgateway:gaps:plain")
	}
	if !found {
		t.Errorf("%+v", s.Probe(t.Context()))
	}
	acl("nogaps", "&eventgateway:gaps:plain")
	if err := s.Gap(t.Context(), plugin.Gap{Reason: "lost", ID: "2"}); err != nil {
		t.Error(err)
	}
	if got := gaps(); !strings.Contains(got, `"id":"2"`) {
		t.Errorf("got %s", got)
	}
}

// TestGapChannelsAreReserved proves that no event can be published to a gap channel.
func TestGapChannelsAreReserved(t *testing.T) {
	for _, channel := range []string{"eventgateway:gaps", "eventgateway:gaps:x"} {
		if _, err := build(Options{URL: options.NewURL(testenv.Redis(t).URL()), Channel: expr.MustTemplate(channel)}, plugintest.Env(t)); err == nil {
			t.Errorf("%s is accepted", channel)
		}
		err := newSink(t, "{{ to }}", Sequence{}).Write(t.Context(), events(`{"to":"`+channel+`"}`))
		if err == nil || !strings.Contains(err.Error(), "reserved") || !plugin.IsPermanent(failures(err, 1)[0]) {
			t.Errorf("%s: %v", channel, err)
		}
	}
	if err := newSink(t, "gone", Sequence{}).client.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAGapThatIsNotPublishedIsAnError proves that Gap returns an error, so that the router retries.
func TestAGapThatIsNotPublishedIsAnError(t *testing.T) {
	s, err := build(Options{URL: options.NewURL("redis://127.0.0.1:1"), Channel: expr.MustTemplate("c")}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(*sink).Gap(t.Context(), plugin.Gap{ID: "1"}); err == nil || plugin.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
}
