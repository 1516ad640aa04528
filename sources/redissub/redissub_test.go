package redissub

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestConformance(t *testing.T) {
	url := testenv.Redis(t).URL()
	client := testenv.RedisClient(t)
	plugintest.Source(t, plugintest.SourceHarness{
		Type: Type(),
		Reachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channels = options.NewURL(url), []string{"a"}
			o.(*Options).Patterns = []string{"b*"}
		},
		Unreachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channels = options.NewURL("redis://u:p@127.0.0.1:1"), []string{"a"}
		},
		Send: func(t testing.TB, payloads ...string) {
			for _, p := range payloads {
				if err := client.Publish(t.Context(), "a", p).Err(); err != nil {
					t.Fatal(err)
				}
			}
		},
		TakeLock: func(t testing.TB) {
			if n, err := client.Del(t.Context(), `eventgateway:leader:{odd "name" {1}}`).Result(); err != nil || n != 1 {
				t.Fatal(n, err)
			}
		},
		Disconnect: func(t testing.TB) {
			if err := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		},
	})
}

func TestBufferDropsTheOldest(t *testing.T) {
	h := newMessageBuffer(Buffer{Messages: 3, Bytes: 10})
	for _, text := range []string{"1", "2", "3", "4"} {
		h.put(&event.Event{Data: []byte(text)})
	}
	h.put(&event.Event{Data: []byte("nine byte")}) // leaves room for one byte
	batch, before, err := h.next(t.Context(), nil)
	var got []string
	for _, e := range batch {
		got = append(got, string(e.Data))
	}
	if strings.Join(got, " ") != "4 nine byte" || before.dropped != 3 || err != nil {
		t.Errorf("got %v, %d lost, %v", got, before.dropped, err)
	}
}

func TestBufferReturnsAllBeforeTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newMessageBuffer(Buffer{Messages: 2000, Bytes: 1 << 20})
		for range maxBatch + 1 {
			h.put(&event.Event{})
		}
		h.fail(errNoPong)
		batch, _, err := h.next(t.Context(), nil)
		if len(batch) != maxBatch || err != nil {
			t.Errorf("%d events, %v", len(batch), err)
		}
		batch, _, err = h.next(t.Context(), nil)
		if len(batch) != 1 || err != errNoPong {
			t.Errorf("%d events, %v", len(batch), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := newMessageBuffer(Buffer{Messages: 1, Bytes: 1}).next(ctx, nil); err != context.DeadlineExceeded {
			t.Errorf("an empty one: %v", err)
		}
	})
}
