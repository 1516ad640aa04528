package presence

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/options"
)

// TestClientsJoinAndLeave proves which messages a client that watches a channel gets.
func TestClientsJoinAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, nil)
		defer r.Close(t.Context())
		a := newTester(t, r, "ann")
		a.watch("room:1").want(t, 1, "ann", "", "")
		b := newTester(t, r, "bob").on("room:1", "room:2", "elsewhere")
		a.next().want(t, 2, "", "bob", "")
		second := newTester(t, r, "bob").on("room:1") // a second connection of a subject
		newTester(t, r, "").on("room:1").ask("room:1").want(t, 4, "ann bob", "", "")
		a.next().want(t, 4, "", "", "")
		second.on()
		a.next().want(t, 3, "", "", "")
		b.on("room:2")
		a.next().want(t, 2, "", "", "bob")
		time.Sleep(time.Minute)
		a.nothing()
		for channel, want := range map[string]error{"room:1": errNotOn, "room:2": nil, "room:3": errNotOn, "elsewhere": errNotKept} {
			if err := b.Ask(channel); err != want {
				t.Errorf("%s: %v, want %v", channel, err, want)
			}
		}
		b.next().want(t, 1, "bob", "", "")
	})
}

// TestRejoinWithinLingerMakesNoMessage proves that a client that leaves and joins within the linger changes nothing, however often.
func TestRejoinWithinLingerMakesNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, nil)
		defer r.Close(t.Context())
		a, b := newTester(t, r, "ann"), newTester(t, r, "bob").on("lobby")
		a.watch("lobby").want(t, 2, "ann bob", "", "")
		for range 20 {
			b.on()
			time.Sleep(2900 * time.Millisecond)
			a.nothing()
			b.on("lobby")
		}
		time.Sleep(time.Minute)
		a.nothing()
		b.on()
		time.Sleep(2900 * time.Millisecond)
		a.nothing()
		a.next().want(t, 1, "", "", "bob")
		a.on()
		time.Sleep(4 * time.Second)
		r.empty(t)
	})
}

// TestOneMessageInASecond proves that a burst of changes makes at most one message a second, and that the messages
// lead to the last state.
func TestOneMessageInASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, func(o *Options) { o.Linger = 0 })
		defer r.Close(t.Context())
		a := newTester(t, r, "ann")
		a.watch("lobby")
		begin, messages, here := time.Now(), 0, map[string]bool{"ann": true}
		for i := range 200 {
			b := newTester(t, r, fmt.Sprintf("s%02d", i%50)).on("lobby")
			if i%3 > 0 {
				b.on()
			}
			time.Sleep(20 * time.Millisecond)
			select {
			case <-a.woken:
				messages++
				m := message{}
				if err := json.Unmarshal(a.AppendMessages(nil, 1<<20), &m); err != nil {
					t.Fatal(err)
				}
				m.applyTo(here)
			default:
			}
		}
		if seconds := int(time.Since(begin) / time.Second); messages > seconds+1 || messages < seconds-1 {
			t.Errorf("%d messages in %d seconds", messages, seconds)
		}
		time.Sleep(2 * messageInterval)
		for text := range strings.Lines(string(a.AppendMessages(nil, 1<<20))) {
			m := message{}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatal(err)
			}
			m.applyTo(here)
		}
		want := a.ask("lobby")
		if got := len(here); got != len(*want.Subjects) || got < 20 {
			t.Errorf("%d subjects, want %d", got, len(*want.Subjects))
		}
	})
}

// TestBoundsOfSubjects proves that a channel with too many subjects shows only the number of clients, and all subjects once they
// are few again. It also proves that a subject that is too long is anonymous, and that any bytes make a JSON message.
func TestBoundsOfSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, func(o *Options) { o.MaxSubjects, o.Linger = 3, 0 })
		defer r.Close(t.Context())
		a, odd := newTester(t, r, "ann"), "\x00\"\xff{}\n</script>\u2028"
		a.watch("lobby")
		newTester(t, r, strings.Repeat("x", 129)).on("lobby")
		a.next().want(t, 2, "", "", "")
		newTester(t, r, odd).on("lobby")
		a.next().want(t, 3, "", strings.ToValidUTF8(odd, "\uFFFD"), "")
		var more []*tester
		for i := range 2 {
			more = append(more, newTester(t, r, fmt.Sprint("m", i)).on("lobby"))
		}
		m := a.next()
		if m.want(t, 5, "", "", ""); !m.Many || m.Subjects != nil {
			t.Errorf("%+v", m)
		}
		more[0].on()
		if m = a.next(); m.Many || len(*m.Subjects) != 3 || m.Clients != 4 {
			t.Errorf("%+v", m)
		}
	})
}

// TestCountsOnly proves that without the option subjects no message has any.
func TestCountsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, func(o *Options) { o.Subjects = false })
		defer r.Close(t.Context())
		a := newTester(t, r, "ann")
		if err := a.Ask("lobby"); err != errNotOn {
			t.Error(err)
		}
		a.watch("lobby").want(t, 1, "", "", "")
		newTester(t, r, "bob").on("lobby")
		<-a.woken
		if got, want := string(a.AppendMessages(nil, 1<<20)), `{"type":"presence","channel":"lobby","clients":2}`+"\n"; got != want {
			t.Errorf("got %s", got)
		}
	})
}

// TestSlowClientGetsTheLatestState proves that a client that does not read gets one message for all that it has missed, and
// that its memory does not grow.
func TestSlowClientGetsTheLatestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, nil)
		defer r.Close(t.Context())
		a := newTester(t, r, "ann")
		a.watch("lobby")
		for i := range 10 {
			newTester(t, r, fmt.Sprint("s", i)).on("lobby")
			time.Sleep(2 * time.Second)
		}
		if len(a.due) != 1 {
			t.Errorf("%d messages wait", len(a.due))
		}
		a.next().want(t, 11, "ann s0 s1 s2 s3 s4 s5 s6 s7 s8 s9", "", "")
		a.nothing()
	})
}

// TestManyChannels proves the bounds of channels of a client and of the registry, that odd names are harmless, and that all memory is freed.
func TestManyChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, func(o *Options) { o.MaxChannels = 1000 })
		defer r.Close(t.Context())
		var clients []*tester
		for c := range 20 {
			clients = append(clients, newTester(t, r, fmt.Sprint("c", c)))
			for i := range 100 {
				var names []string
				for n := range 200 {
					names = append(names, fmt.Sprintf("room:%d.%d.%d", c, i, n))
				}
				clients[c].on(names...)
			}
		}
		r.mu.Lock()
		if len(r.channels) != 1000 || r.bytes > 1<<20 {
			t.Errorf("%d channels, %d bytes", len(r.channels), r.bytes)
		}
		r.mu.Unlock()
		for _, c := range clients {
			c.on()
		}
		time.Sleep(time.Minute)
		r.empty(t)
		for _, name := range []string{"room:\x00\"{}", "room:" + strings.Repeat("{a}", 2700), "room:\xff", "room:"} {
			clients[0].Set(map[string]bool{name: true})
			m := clients[0].next()
			if m.want(t, 1, "c0", "", ""); m.Channel != strings.ToValidUTF8(name, "\uFFFD") {
				t.Errorf("%q", m.Channel)
			}
		}
		if err := clients[0].on().Ask("room:"); err != errNotOn {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		r.empty(t)
	})
}

// TestMemberWithManyMessages proves that messages beyond the limit come with the next call.
func TestMemberWithManyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, nil)
		defer r.Close(t.Context())
		a, channels := newTester(t, r, "ann"), map[string]bool{}
		for i := range 50 {
			channels[fmt.Sprint("room:", i)] = true
		}
		a.Set(channels)
		for seen := 0; seen < 50; {
			<-a.woken
			n := strings.Count(string(a.AppendMessages(nil, 300)), "\n")
			if seen += n; n > 5 {
				t.Errorf("%d messages at once", n)
			}
		}
	})
}

// TestChangeOfSubject proves that a client with another token leaves as the old subject and joins as the new one.
func TestChangeOfSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t, func(o *Options) { o.Linger = options.Duration(time.Second) })
		defer r.Close(t.Context())
		a, b := newTester(t, r, "ann"), newTester(t, r, "bob").on("lobby")
		a.watch("lobby")
		b.SetSubject("bert")
		for here := map[string]bool{"ann": true, "bob": true}; !here["bert"] || here["bob"]; {
			a.next().applyTo(here)
		}
		b.on()
		a.on()
		time.Sleep(time.Minute)
		r.empty(t)
	})
}
