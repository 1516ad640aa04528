package websocket

import (
	"net/url"
	"slices"
	"testing"
)

// TestRenewalForgetsConflatedMessages: a client that skips messages while its token is renewed with fewer rights does not get those
// of its old rights behind the answer. It gets a gap in their place.
func TestRenewalForgetsConflatedMessages(t *testing.T) {
	s, server, token := channelSink(t, "channel in claims.channels")
	f := dialNamed(t, server, url.Values{"token": {token("customer:ada", "customer:bob")}})
	awaitClients(t, s, 1)
	c := s.listClients()[0]
	k := &skip{messages: 7, conflated: &conflation{byKey: map[string]conflatedFrame{}}}
	for i, customer := range []string{"ada", "bob"} {
		k.conflated.add(customer, appendFrame(nil, opText, customerRow(i, "", customer).Data))
	}
	k.gap = k.gapFrame()
	c.mu.Lock() // as skipToEnd while the client accepts no byte
	c.readers[0].skip, c.hasSkip = k, true
	c.mu.Unlock()
	f.ask(`{"type":"auth","token":"%s"}`, token("customer:ada"))
	f.awaitAny("auth")
	f.pong()
	s.send(t, customerRow(9, "", "ada"))
	last := string(customerRow(9, "", "ada").Data)
	if got := f.until("", last); !slices.Equal(got, []string{last}) {
		t.Errorf("got %q", got)
	}
	if !slices.Contains(f.control, `{"type":"gap","reason":"too slow: 9 messages were skipped","conflated":false}`) {
		t.Errorf("got %q", f.control)
	}
	if k.forget() != 0 || !k.forgotten {
		t.Errorf("a later skip would conflate: %+v", k)
	}
}
