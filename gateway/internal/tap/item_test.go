package tap

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// hider hides one field, as the transform mask does.
type hider struct{ edit rawjson.Edit }

func hides(path string) plugin.Hider {
	h := &hider{}
	h.edit.Add(rawjson.MustPath(path), rawjson.Change{Value: func(dst, _ []byte) ([]byte, error) { return append(dst, plugin.Hidden...), nil }})
	return h
}

func (h *hider) Hide(payload []byte) ([]byte, error) { return h.edit.Apply(payload, 0) }

// TestPolicies proves what is shown of a payload before each stage of a route whose later stages hide fields.
func TestPolicies(t *testing.T) {
	const in = `{"id":1,"email":"ada@example.com","note":{"text":"secret"}}`
	keeps, moves := Stage{Keeps: true}, Stage{}
	mask, remove := Stage{Hider: hides("email"), Name: "1", Keeps: true}, Stage{Hider: hides("note.text"), Name: "2", Keeps: true}
	masked, both, all := `{"id":1,"email":"***","note":{"text":"secret"}}`, `{"id":1,"email":"***","note":{"text":"***"}}`, `{"id":"***","email":"***","note":"***"}`
	for name, c := range map[string]struct {
		stages []Stage
		want   []string // before each stage, and behind the last
	}{
		"nothing hides":  {[]Stage{keeps, moves}, []string{in, in, in}},
		"mask first":     {[]Stage{mask, keeps, moves}, []string{masked, in, in, in}},
		"mask last":      {[]Stage{keeps, mask}, []string{masked, masked, in}},
		"two hide":       {[]Stage{remove, keeps, mask}, []string{both, masked, masked, in}},
		"fields move":    {[]Stage{keeps, moves, keeps, mask}, []string{all, all, masked, masked, in}},
		"move after one": {[]Stage{mask, moves, remove}, []string{all, all, `{"id":1,"email":"ada@example.com","note":{"text":"***"}}`, in}},
	} {
		for i, p := range Policies(c.stages) {
			if got, err := p.ShowPayload([]byte(in)); err != nil || string(got) != c.want[i] {
				t.Errorf("%s, before stage %d: %s, %v, want %s", name, i, got, err, c.want[i])
			}
		}
	}
	p := Policies([]Stage{mask})[0]
	for _, data := range []string{"", "ada@example.com", `["ada@example.com"]`, `"x"`, `{"email":`, strings.Repeat(" ", maxHide) + "{}"} {
		if got, err := p.ShowPayload([]byte(data)); err == nil || strings.Contains(err.Error(), "ada") {
			t.Errorf("%.20q is shown as %q, %v", data, got, err)
		}
	}
	joined := Join(nil, p, nil, Policies([]Stage{remove})[0])
	if got, err := joined.ShowPayload([]byte(in)); err != nil || string(got) != both {
		t.Errorf("joined: %s, %v", got, err)
	}
	var none *Policy
	moves.Hider, moves.Name = mask.Hider, mask.Name
	moved := Policies([]Stage{{}, moves})[0]
	for _, c := range []struct {
		policy *Policy
		name   string
		want   bool
	}{
		{none, none.Name(), true}, {p, none.Name(), true}, {p, p.Name(), true}, {joined, p.Name(), true}, {joined, joined.Name(), true}, {HideAll, joined.Name(), true}, {moved, moved.Name(), true},
		{none, p.Name(), false}, {p, joined.Name(), false}, {p, "true", false}, {joined, moved.Name(), false}, {joined, HideAll.Name(), false},
	} {
		if got := c.policy.Covers(c.name); got != c.want {
			t.Errorf("%q covers %q: %v", c.policy.Name(), c.name, got)
		}
	}
	if Join(nil, nil) != nil {
		t.Error("a policy of nothing")
	}
}

// TestCompare proves which fields differ, and that their values are those that are shown.
func TestCompare(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxDepth+5)
	for name, c := range map[string]struct{ before, after, shown, want, why string }{
		"same":    {`{"a":1}`, `{"a":1}`, "", "[]", ""},
		"order":   {`{"a":1,"b":2}`, `{"b":2,"a":1}`, "", "[]", ""},
		"added":   {`{"a":1}`, `{"a":1,"b.c":{"d":[1]}}`, "", `[{b\.c added  {"d":[1]}}]`, ""},
		"removed": {`{"a":1,"b":null}`, `{"a":1}`, "", "[{b removed null }]", ""},
		"changed": {`{"a":{"b":1.0},"l":[1,2]}`, `{"a":{"b":1},"l":[1,3,4]}`, "", "[{a.b changed 1.0 1} {l.1 changed 2 3} {l.2 added  4}]", ""},
		"kind":    {`{"a":{"b":1}}`, `{"a":[1]}`, "", `[{a changed {"b":1} [1]}]`, ""},
		"whole":   {`1`, `{"a":1}`, "", `[{. changed 1 {"a":1}}]`, ""},
		"masked":  {`{"a":"x"}`, `{"a":"***"}`, `{"a":"***"}`, "[{a changed \"***\" \"***\"}]", ""},
		"hidden":  {`{"a":{"b":1,"c":[1,2]},"d":1}`, `{"a":{"b":2,"e":3},"d":2}`, `{"a":"***","d":1}`, `[{a changed "***" {"b":2,"e":3}} {d changed 1 2}]`, ""},
		"digits":  {`{"a":9007199254740993}`, `{"a":9007199254740992}`, "", "[{a changed 9007199254740993 9007199254740992}]", ""},
		"text":    {`x`, `{"a":1}`, "", "[]", "the payload is not JSON"},
		"large":   {`{"a":1}`, `{"a":"` + strings.Repeat("x", maxCompared) + `"}`, "", "[]", "the payload is larger than 65536 bytes"},
		"deep":    {deep + "1" + strings.Repeat("}", maxDepth+5), deep + "2" + strings.Repeat("}", maxDepth+5), "", "", ""},
	} {
		shown := c.before
		if c.shown != "" {
			shown = c.shown
		}
		got, more, why := compare([]byte(c.before), []byte(c.after), []byte(shown), []byte(c.after))
		if text := fmt.Sprint(got); c.want != "" && text != c.want || why != c.why || more != 0 {
			t.Errorf("%s: %s, %q, want %s, %q", name, text, why, c.want, c.why)
		}
		if name == "deep" && (len(got) != 1 || strings.Count(got[0].Path, ".") != maxDepth-1) {
			t.Errorf("deep: %v", got)
		}
	}
	var many []string
	for i := range maxDifferences + 5 {
		many = append(many, fmt.Sprintf(`"f%d":1`, i))
	}
	if got, more, _ := compare([]byte("{}"), []byte("{"+strings.Join(many, ",")+"}"), []byte("{}"), []byte("{"+strings.Join(many, ",")+"}")); len(got) != maxDifferences || more != 5 || got[0].After != "1" {
		t.Errorf("%d differences, %d more, %+v", len(got), more, got[0])
	}
}

// TestItemIsBounded proves that an item is small, whatever the event is, and that bytes which are not UTF-8 are shown in base64.
func TestItemIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 1<<20)
	e := event.Event{ID: long, Channel: long, Key: long, Data: []byte(long)}
	for i := range 100 {
		e.Attrs = append(e.Attrs, event.Attr{Name: fmt.Sprint(i, long), Value: long})
	}
	r := &Record{Events: []event.Event{e}, Outcome: Failed, Reason: long, parts: 1}
	for range 2 * maxSteps {
		r.Apply(Step{Transform: "t", Outcome: Applied}, &e, []*event.Event{&e})
	}
	item := r.item()
	text, err := json.Marshal(item)
	if err != nil || len(text) > (2*maxSteps+1)*(MaxPayload+(maxAttrs+4)*2*(maxText+100)) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if v := item.Events[0]; v.Bytes != len(long) || !v.Truncated || len(v.Payload) > MaxPayload || strings.ContainsRune(v.Payload, '\uFFFD') || v.Encoding != "" || len(v.Attrs) != maxAttrs {
		t.Errorf("%d bytes of %d, %d attributes, encoding %q", len(v.Payload), v.Bytes, len(v.Attrs), v.Encoding)
	}
	for data, want := range map[string]string{"\xff\x00": "/wA= base64 false", "": "  false", "é": "é  false", strings.Repeat("\xff", MaxPayload+1)[:MaxPayload]: ""} {
		payload, encoding, truncated := text2(data)
		if got := fmt.Sprint(payload, " ", encoding, " ", truncated); want != "" && got != want {
			t.Errorf("%q: %s, want %s", data, got, want)
		}
	}
}

func text2(data string) (string, string, bool) { return Text([]byte(data)) }

// TestFailedMaskHides proves that the tap hides all values behind a mask that has failed and passed the event on.
func TestFailedMaskHides(t *testing.T) {
	policies := Policies([]Stage{{Hider: hides("email"), Keeps: true}, {Keeps: true}})
	e := payload(`{"email":"ada@example.com"}`)
	r := &Record{Events: []event.Event{*e}, Hide: policies[0], parts: 1}
	r.Apply(Step{Stage: 0, Outcome: Passed, Hidden: policies[0], Hide: policies[1]}, e, []*event.Event{e})
	r.Apply(Step{Stage: 1, Outcome: Applied, Hidden: policies[1], Hide: policies[2]}, e, []*event.Event{e})
	text, err := json.Marshal(r.item())
	if err != nil || strings.Contains(string(text), "ada") || strings.Count(string(text), "***") < 4 {
		t.Errorf("%s, %v", text, err)
	}
}

// TestReasonsAreHidden proves that errors, which may quote the payload, are not shown where a route hides fields.
func TestReasonsAreHidden(t *testing.T) {
	policies := Policies([]Stage{{Keeps: true}, {Hider: hides("email"), Keeps: true}})
	e := payload(`{"email":"ada@example.com"}`)
	e.Attrs = []event.Attr{{Name: "dead_letter_reason", Value: "'ada@example.com' is wrong"}}
	r := &Record{Events: []event.Event{*e}, Hide: policies[0], Outcome: DeadLettered, Reason: "'ada@example.com' is wrong", parts: 1}
	r.Apply(Step{Outcome: DeadLettered, Reason: "'ada@example.com' is wrong", Hidden: policies[0], Hide: policies[1]}, e, nil)
	if text, err := json.Marshal(r.item()); err != nil || strings.Contains(string(text), "ada@") || strings.Count(string(text), "hidden: ") < 3 {
		t.Errorf("%s, %v", text, err)
	}
	r = &Record{Events: []event.Event{*e}, Outcome: DeadLettered, Reason: "it is wrong", parts: 1}
	if got := r.item().Reason; got != "it is wrong" {
		t.Errorf("without a policy: %s", got)
	}
}
