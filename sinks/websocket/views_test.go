package websocket

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin/plugintest"
)

// viewRules are rules of all kinds: with and without terms, over one row or both.
var viewRules = []string{
	"", "new.owner == claims.sub", `new.owner == claims.sub || claims.role == "admin"`, "new.owner in claims.teams", "new.owner == claims.sub && new.open",
	`new.owner == claims.sub || new.status == "b"`, "!(new.owner != claims.sub)", "any(claims.teams, # == new.owner)", "new.owner != claims.sub", "old.owner == claims.sub", "new.n > claims.n", "new.owner in claims.many && new.open", `claims.role == "admin" || new.owner == claims.sub && new.n > 0`,
	`operation == "DELETE" || new.owner == claims.sub`, "string(new.n) == claims.sub",
	"channel in claims.channels", `channel == "owner:" + claims.sub`, `channel startsWith "o" && new.owner == claims.sub`,
	`channel in claims.channels || new.open`, `claims.role == "admin" || channel == "a:1"`, "channel in claims.channels && new.owner in claims.many",
}

// viewFilters are filters of all kinds.
var viewFilters = []string{
	"", `new.status == "a"`, `new.status == "a" && new.n > 1`, `new.status in ["a", "b"]`, "new.n == 1", "new.n == 1.0 || new.n == 2", `old.status == "a"`, `new.status != "a"`, "new.n > 1", "new.open",
	`operation == "UPDATE"`, `new.owner == "x" && new.status == "b"`, `event.channel == "one"`, `!(new.status != "b")`, "new?.n in [0, 1]", "new.missing == 1", "new?.status == nil", `event.key == ""`,
}

var viewClaims = []map[string]any{
	{"sub": "x", "role": "user", "teams": []any{"x"}, "n": 1.0, "many": many("x", "y"), "channels": []any{"one", "owner:y"}},
	{"sub": "y", "role": "admin", "teams": []any{"x", "y"}, "n": 0.0, "many": many("y", 1.0), "channels": []any{"owner:x", "a:1"}},
	{"sub": "1", "role": "user", "teams": []any{}, "n": 2.0, "many": many(nil, "X", "\u00e9"), "channels": append([]any{"one", "owner:1"}, many("a:1", "two")...)},
}

func viewEvent(t *rapid.T, n int) *event.Event {
	row := func(name string) string {
		if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			return "null"
		}
		value := func(name string, values ...string) string {
			return fmt.Sprintf(`"%s":%s,`, name, rapid.SampledFrom(values).Draw(t, name))
		}
		return "{" + value("owner", hostileValues...) + value("status", `"a"`, `"b"`, `"c"`) + value("n", "0", "1", "1.0", "2", `"1"`) + value("open", "true", "false") + fmt.Sprintf(`"id":%d}`, n)
	}
	e := &event.Event{Channel: rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "channel"), Key: rapid.SampledFrom([]string{"", "k"}).Draw(t, "key")}
	switch rapid.IntRange(0, 9).Draw(t, "shape") {
	case 0:
		e.Data = fmt.Appendf(nil, "no JSON %d", n)
	case 1:
		e.Data = fmt.Appendf(nil, `{"new":%s}`, row("new"))
	case 2:
		e.Data = fmt.Appendf(nil, `{"new":%s,"n\u0065w":%s,"old":%s}`, row("new"), row("new"), row("old"))
	case 3:
		e.Data = fmt.Appendf(nil, `{"operation":"UPDATE","new":1,"old":%s,"new":%s,"n":%d}`, row("old"), row("new"), n)
	default:
		e.Data = fmt.Appendf(nil, `{"operation":"%s","table":"t","old":%s,"new":%s}`, rapid.SampledFrom([]string{"INSERT", "UPDATE", "DELETE"}).Draw(t, "operation"), row("old"), row("new"))
	}
	return e
}

// view is a client of a topic, for the test.
type view struct {
	text  string
	sub   subscription
	topic *topic
	at    position
	from  uint64 // the client gets the messages behind this offset and seen more
	seen  uint64
}

// TestViewsEqualPlainEvaluation proves for clients with any rights, filter and channels that join at any time, and resume from
// any point: each gets exactly the messages that an evaluation of its subscription for every event gives.
func TestViewsEqualPlainEvaluation(t *testing.T) {
	messages, leaves, resumed, indexed := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		o := *Type().Defaults().(*Options)
		o.History = History{Events: 100_000, Bytes: 1 << 30, Age: o.History.Age}
		o.MaxTopics, o.Limits.FiltersPerAddress, o.Limits.FilterTime = 1000, 1000, 0
		o.Limits.FilterMemory = 1 << 14 // little, so that messages are read from the history again
		if rule := rapid.SampledFrom(viewRules).Draw(t, "rule"); rule != "" {
			if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
				t.Fatal(err)
			}
		}
		if rapid.Bool().Draw(t, "computed channels") {
			o.Channels = []expr.Template{expr.MustTemplate("{{ event.channel }}"), expr.MustTemplate("owner:{{ new.owner }}"), expr.MustTemplate("{{ new.status }}:{{ new.n }}")}
		}
		h := newHub(o, newMetrics(), time.Now, func(f func(context.Context)) { go f(context.Background()) })
		h.clients, h.log = func() []*client { return nil }, quietLog()
		var views []*view
		var events []*event.Event
		plain := func(v *view) (frames [][]byte, offsets []uint64) {
			var x expr.Evaluator
			for i, e := range events {
				p := h.channels.prepare(e)
				switch m := h.match(&evaluation{Evaluator: &x}, &topic{subscription: v.sub}, &p); {
				case m.kind == matchLeave && m.row == nil:
					m.row = e.Data
					fallthrough
				case m.kind == matchLeave:
					frames = append(frames, controlFrame(leaveMessage(m.row)))
				case m.kind == matchEvent:
					frames = append(frames, appendFrame(nil, opText, e.Data))
				default:
					continue
				}
				offsets = append(offsets, uint64(i)+1)
			}
			return frames, offsets
		}
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "step") > 0 {
				var batch []*event.Event
				for range rapid.IntRange(1, 12).Draw(t, "events") {
					batch = append(batch, viewEvent(t, len(events)+len(batch)))
				}
				events = append(events, batch...)
				h.write(batch)
				continue
			}
			v := &view{sub: subscription{protocol: rapid.Bool().Draw(t, "protocol")}}
			v.text = rapid.SampledFrom(viewFilters).Draw(t, "filter")
			if v.text != "" {
				var err error
				if v.sub.filter, err = expr.CompileFilter(v.text); err != nil {
					t.Fatal(err)
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "channels") == 0 {
				v.sub.channels = rapid.SampledFrom([][]string{{"one"}, {"one", "two"}, {"none"}, {"owner:x"}, {"a:1", "owner:y", "two"}, {"o*"}, {"b:*", "three"}}).Draw(t, "names")
			}
			var err error
			if v.sub.rights, err = rightsOf(o.Authorize, rapid.SampledFrom(viewClaims).Draw(t, "claims")); err != nil {
				t.Fatal(err)
			}
			var from resumePoint
			if rapid.Bool().Draw(t, "resume") {
				_, offsets := plain(v)
				from = resumePoint{given: true, epoch: h.epoch, offset: rapid.Uint64Range(0, uint64(len(events))).Draw(t, "offset")}
				if !v.sub.isAll() {
					from.epoch = h.epochOf(h.feeders[0].newTopic("", v.sub.id(), v.sub))
					behind := slices.IndexFunc(offsets, func(o uint64) bool { return o > from.offset })
					if behind >= 0 {
						from.seen = rapid.Uint64Range(0, uint64(len(offsets)-behind)).Draw(t, "seen")
					}
				}
			}
			top, at, err := h.join(t.Context(), "a", v.sub, from)
			if err != nil {
				t.Fatal(err)
			}
			v.topic, v.at, v.from, v.seen = top, at.position, at.offset, at.seen
			if from.given {
				if resumed++; !at.recovered || at.offset != from.offset {
					t.Fatalf("%s is not recovered from %+v: %+v", v.text, from, at)
				}
			} else if at.offset < uint64(len(events)) {
				t.Fatalf("it begins at %d of %d", at.offset, len(events))
			}
			views = append(views, v)
			if len(views) > 3 && rapid.Bool().Draw(t, "leave") {
				i := rapid.IntRange(0, len(views)-1).Draw(t, "view")
				h.releaseTopic(views[i].topic, "a")
				views = slices.Delete(views, i, i+1)
			}
		}
		h.drainFeeders(t.Context())
		for _, v := range views {
			frames, offsets := plain(v)
			first := slices.IndexFunc(offsets, func(o uint64) bool { return o > v.from })
			if first < 0 {
				first = len(offsets)
			}
			var want []byte
			for _, f := range frames[first+int(v.seen):] {
				if messages++; isLeave(f) {
					leaves++
				}
				want = append(want, f...)
			}
			var got []byte
			for p := v.at; ; {
				frames, next := p.unread()
				if frames == nil {
					break
				}
				if v.topic == h.main || !p.chunk.isPosition {
					got = append(got, frames...)
				}
				p = next
			}
			if string(got) != string(want) {
				t.Fatalf("rule %s, filter %s, channels %v, from %d, %d seen: got\n%q\nwant\n%q", o.Authorize, v.text, v.sub.channels, v.from, v.seen, got, want)
			}
			if v.topic.indexed {
				indexed++
			}
			h.releaseTopic(v.topic, "a")
		}
		h.feeding.Wait()
		if held := h.memory.bytes.Load(); held != 0 {
			t.Fatalf("%d bytes are held", held)
		}
	})
	t.Logf("%d messages, %d of them leaves, %d resumed, %d indexed", messages, leaves, resumed, indexed)
	if messages == 0 || leaves == 0 || resumed == 0 || indexed == 0 {
		t.Error("the generators no longer give all kinds")
	}
}

// isLeave reports whether a frame is a leave message.
func isLeave(frame []byte) bool { return strings.Contains(string(frame), `{"type":"leave"`) }

// TestTrimWhileClientJoins: a client resumes correctly although its topic is trimmed, or another client inserts a part of the
// messages, while it waits.
func TestTrimWhileClientJoins(t *testing.T) {
	o := *Type().Defaults().(*Options)
	h := newHub(o, newMetrics(), time.Now, plugintest.Env(t).Go)
	h.clients = func() []*client { return nil }
	filter, err := expr.CompileFilter("n % 2 == 0")
	if err != nil {
		t.Fatal(err)
	}
	sub := subscription{filter: filter, protocol: true}
	top, _, err := h.join(t.Context(), "a", sub, resumePoint{})
	if err != nil {
		t.Fatal(err)
	}
	h.write(orders(0, 100))
	h.drainFeeders(t.Context())
	f := h.feeders[filterFeeder]
	join := func(j *joining, meanwhile func()) {
		if j.topic, err = f.findOrCreate("a", sub); err != nil {
			t.Error(err)
		}
		f.begin(j)
		meanwhile()
		for !j.run(f, time.Now()) {
		}
		f.release(top, "a")
	}
	for name, meanwhile := range map[string]func(){
		"trimmed":            func() { top.trim(0, 10*chunkBytes) },
		"trimmed completely": func() { top.trim(0, 1) },
		"inserted": func() {
			other := &joining{subscription: sub, address: "a", from: resumePoint{given: true, epoch: h.epochOf(top), offset: 30}, done: make(chan struct{})}
			join(other, func() {})
		},
	} {
		for _, first := range []int64{1, 1 << 20} { // the topic has no messages when the client begins to wait, or all of them
			j := &joining{subscription: sub, address: "a", from: resumePoint{given: true, epoch: h.epochOf(top), offset: 10, seen: 5}, done: make(chan struct{})}
			f.ask(func() { top.trim(0, first); join(j, meanwhile) })
			var got []byte
			for p := j.at.position; ; {
				frames, next := p.unread()
				if frames == nil {
					break
				}
				got, p = append(got, frames...), next
			}
			var want []byte
			for _, e := range orders(20, 80) { // 10 is the offset of order 9, and 5 even ones follow
				if e.Key[0]%2 == 0 {
					want = appendFrame(want, opText, e.Data)
				}
			}
			if !j.at.recovered || string(got) != string(want) {
				t.Errorf("%s: %+v, got\n%q\nwant\n%q", name, j.at, got, want)
			}
		}
	}
	h.releaseTopic(top, "a")
	h.feeding.Wait()
}
