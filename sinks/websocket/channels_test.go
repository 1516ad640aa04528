package websocket

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// TestComputedChannels: an event is in each channel whose name its payload gives, and in none for which a value is missing. A row
// that moves to another channel is announced to the clients of its former one.
func TestComputedChannels(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		o.Channels = []expr.Template{expr.MustTemplate("orders"), expr.MustTemplate("order:{{ new.id }}"), expr.MustTemplate("customer:{{ new.customer }}")}
		o.MaxTopics = 1 // channels are not bounded, except for wildcards
	}, httptest.NewServer)
	row := func(id, customer string) string { return fmt.Sprintf(`{"id":%s,"customer":%s}`, id, customer) }
	change := func(old, now string) *event.Event {
		return &event.Event{Channel: "public.orders", Data: fmt.Appendf(nil, `{"operation":"UPDATE","old":%s,"new":%s}`, old, now)}
	}
	one := change("null", row("1", `"ada"`))
	other := change("null", row("2", `"grace"`))
	moved := change(row("1", `"ada"`), row("1", `"grace"`))
	without := change("null", `{"id":3}`)
	last := &event.Event{Data: []byte(`{"new":{"id":9,"customer":"ada"}}`)}
	leave := `{"type":"leave","message":{"operation":"UPDATE","old":` + row("1", `"ada"`) + `,"new":null}}`
	for _, c := range []struct {
		channels []string
		want     []string
	}{
		{[]string{"orders"}, []string{string(one.Data), string(other.Data), string(moved.Data), string(without.Data), string(last.Data)}},
		{[]string{"order:1", "order:9"}, []string{string(one.Data), string(moved.Data), string(last.Data)}},
		{[]string{"customer:ada"}, []string{string(one.Data), leave, string(last.Data)}},
		{[]string{"customer:*"}, []string{string(one.Data), string(other.Data), string(moved.Data), string(last.Data)}},
		{[]string{"public.orders", "customer:", "order:9"}, []string{string(last.Data)}},
	} {
		f := dialProtocol(t, server, url.Values{"channel": c.channels})
		s.send(t, one, other, moved, without, &event.Event{Data: []byte("no JSON")}, last)
		for len(f.got) < len(c.want) {
			if err := f.read(); err != nil {
				t.Fatal(err)
			}
		}
		got := slices.DeleteFunc(f.got, func(m string) bool { return m == "no JSON" }) // which is in the channel orders
		for len(got) < len(c.want) {
			if err := f.read(); err != nil {
				t.Fatal(err)
			}
			got = append(got, f.got[len(f.got)-1])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v get\n%q\nwant\n%q", c.channels, got, c.want)
		}
		f.conn.Close()
		awaitTopics(t, s, 0)
	}
}
