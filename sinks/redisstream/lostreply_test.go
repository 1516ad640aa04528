package redisstream

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestLostReply proves that a batch without a reply is appended once, whether Redis has it already, or
// gets it late, on an abandoned connection.
func TestLostReply(t *testing.T) {
	proxy, url := testenv.ProxyURL(t, testenv.Redis(t).URL())
	s, client := newSink(t, url, "lost", 0), testenv.RedisClient(t)
	const rounds = 10
	for round := range rounds {
		if err := s.Open(t.Context()); err != nil { // there is a connection to freeze
			t.Fatal(err)
		}
		late := round%2 == 0
		freeze := proxy.FreezeAnswers
		if late {
			freeze = proxy.Freeze
		}
		thaw := freeze()
		t.Cleanup(thaw)
		batch := numbered(3*round, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := s.Write(ctx, batch); err == nil {
			t.Fatal("there was an answer")
		}
		cancel()
		if want := 3 * round; late && len(entries(t, client, "lost")) != want {
			t.Errorf("it has arrived although it was frozen")
		}
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		thaw()
	}
	barrier := numbered(3*rounds, 1)
	if err := s.Write(t.Context(), barrier); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	got := entries(t, client, "lost", "data")
	for i := range 3*rounds + 1 {
		if want := fmt.Sprint("data=", i); i >= len(got) || got[i] != want {
			t.Fatalf("entry %d of %d is not %s: %v", i, len(got), want, got)
		}
	}
	if len(got) != 3*rounds+1 {
		t.Errorf("%d entries", len(got))
	}
}

// TestAnotherBatchAfterALostReply proves that each event is appended once, in order, where the next
// batch has other events. The first batch may have arrived, come late, or never.
func TestAnotherBatchAfterALostReply(t *testing.T) {
	proxy, url := testenv.ProxyURL(t, testenv.Redis(t).URL())
	for _, how := range []string{"arrived", "late", "never"} {
		t.Run(how, func(t *testing.T) {
			stream := "another." + how
			s, client := newSink(t, url, stream, 0), testenv.RedisClient(t)
			client.Del(t.Context(), stream)
			if err := s.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			freeze := proxy.Freeze
			if how == "arrived" {
				freeze = proxy.FreezeAnswers
			}
			thaw := freeze()
			defer thaw()
			all := numbered(0, 8)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := s.Write(ctx, all[:4]); !plugin.IsUnavailable(err) {
				t.Fatalf("there was an answer: %v", err)
			}
			if how == "never" {
				proxy.Cut()
			}
			for _, batch := range [][]*event.Event{all[1:6], {all[6], all[7]}} { // the first is withdrawn
				if err := s.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
			}
			thaw()
			want := "[data=1 data=2 data=3 data=4 data=5 data=6 data=7]"
			if how == "arrived" {
				want = "[data=0 " + want[1:]
			}
			s.client.Close()
			for strings.Contains(client.ClientList(t.Context()).Val(), "name=eventgateway") { // until all has come that was sent
				time.Sleep(5 * time.Millisecond)
			}
			if got := fmt.Sprint(entries(t, client, stream, "data")); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
}

// TestRefusedAfterALostReply proves that an error reply to a retry, as of a server that is loading,
// does not count as proof that the first attempt failed.
func TestRefusedAfterALostReply(t *testing.T) {
	client := testenv.RedisClient(t)
	client.Del(t.Context(), "later")
	user := func(rule ...any) {
		t.Helper()
		if err := client.Do(t.Context(), append([]any{"ACL", "SETUSER", "later"}, rule...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	user("on", ">pw", "+@all", "~*", "&*")
	proxy, url := testenv.ProxyURL(t, strings.Replace(testenv.Redis(t).URL(), "redis://", "redis://later:pw@", 1))
	s := newSink(t, url, "later", 0)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.LoseAnswers()
	batch := numbered(0, 3)
	if err := s.Write(t.Context(), batch); !plugin.IsUnavailable(err) {
		t.Fatalf("there was an answer: %v", err)
	}
	user("-evalsha")
	for range 2 {
		if err := s.Write(t.Context(), batch); !plugin.IsUnavailable(err) || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("error %v", err)
		}
	}
	user("+evalsha")
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(entries(t, client, "later", "data")); got != "[data=0 data=1 data=2]" {
		t.Errorf("entries: %s", got)
	}
}
