package websocket

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// longOwner is a name that is longer than a block of any hash.
var longOwner = strings.Repeat("x", 10_000)

// hostileValues are values of an owner that are like "x", "y" or "1", and are not, or are written in another way.
var hostileValues = []string{
	`"x"`, `"x"`, `"y"`, `"y"`, `"X"`, `"x "`, `"x\u0000"`, `"\u0078"`, `["x"]`, `[["x"]]`, `{"x":"x"}`, `{"owner":"x"}`, "null", `"null"`, "true", `"true"`, `""`,
	"1", "1.0", "1e0", `"1"`, `"1.0"`, "10e-1", "1.0000000000000000001", "-1", "[1]", `"\u00e9"`, `"e\u0301"`, `"é"`, `"\ufffd"`, `"\ud800"`, `"` + longOwner + `"`, `"` + longOwner + `y"`,
}

// hostileRows are rows with an owner in ways that a reader could understand differently. %s is a hostile value.
var hostileRows = []string{
	`{"new":{"owner":%s}}`, `{"new":{"owner":"y","owner":%s}}`, `{"new":{"owner":%s,"owner":"y"}}`, `{"new":{"owner":%s},"new":{}}`, `{"new":{"owner":%s},"new":null}`, `{"new":{"owner":%s},"new":[]}`,
	`{"new":{"owner":"z"},"new":{"owner":%s}}`, `{"n\u0065w":{"own\u0065r":%s}}`, `{"new":{"owner":"y","\u006fwner":%s}}`, `{"New":{"owner":%s}}`, `{"new":{"Owner":%s}}`, `{"new":[{"owner":%s}]}`, `[{"new":{"owner":%s}}]`,
	`{"new":{"owner":%s}} `, `{"new":{"owner":%s}}{}`, `{"new":{"owner":%s,"n":NaN}}`, `{"new":{"owner":%s},}`, `{"new.owner":%s}`, `{"new":{"owner":{"owner":%s}}}`, `{"old":{"owner":%s},"new":{"owner":"z"}}`,
}

// many returns a list of claims that is long enough for a set.
func many(values ...any) (all []any) {
	for i := range 20 {
		all = append(all, fmt.Sprint("team ", i))
	}
	return append(all, values...)
}

func rightsFrom(t testing.TB, rule string, claims map[string]any) rights {
	var a expr.Authorization
	if err := a.UnmarshalText([]byte(rule)); err != nil {
		t.Fatal(err)
	}
	r, err := rightsOf(a, claims)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func filterFrom(t testing.TB, text string) expr.Condition {
	c, err := expr.CompileFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ownerOf returns new.owner of a payload, as a browser decodes it.
func ownerOf(payload []byte) any {
	var v map[string]any
	if json.Unmarshal(payload, &v) != nil {
		return nil
	}
	row, _ := v["new"].(map[string]any)
	if number, isNumber := row["owner"].(float64); isNumber && strings.Contains(string(payload), "1.0000000000000000001") {
		return number + 1e-9 // the gateway compares all digits
	}
	return row["owner"]
}

// TestHostilePayloads: a tenant gets exactly the rows whose owner is this tenant, as a browser decodes them. It is true with an
// index, with shared conjuncts and with a filter, and for other spellings, duplicate and escaped keys, and other kinds.
func TestHostilePayloads(t *testing.T) {
	var events []*event.Event
	for _, row := range hostileRows {
		for _, value := range hostileValues {
			events = append(events, &event.Event{Data: fmt.Appendf(nil, row, value)})
		}
	}
	isText := func(want ...string) func(any) bool {
		return func(owner any) bool { s, ok := owner.(string); return ok && slices.Contains(want, s) }
	}
	asText := func(want string) func(any) bool { // an equality with one claim, and no more, compares as text
		return func(owner any) bool {
			if n, ok := owner.(float64); ok {
				owner = strconv.FormatFloat(n, 'g', -1, 64)
			}
			return owner == want
		}
	}
	equality, set := "new.owner == claims.sub", "new.owner in claims.teams && claims.sub != nil"
	type tenant struct {
		name string
		sub  subscription
		sees func(owner any) bool
	}
	var clients []*tenant
	for _, sub := range []string{"x", "y", "1", "X", "é", "e\u0301", longOwner} {
		claims := map[string]any{"sub": sub, "teams": many(sub)}
		clients = append(clients,
			&tenant{name: "equality " + sub, sub: subscription{rights: rightsFrom(t, equality, claims)}, sees: asText(sub)},
			&tenant{name: "set " + sub, sub: subscription{rights: rightsFrom(t, set, claims)}, sees: isText(sub)},
			&tenant{name: "set and filter " + sub, sub: subscription{rights: rightsFrom(t, set, claims), filter: filterFrom(t, "new.missing == nil && new.owner != 7")}, sees: isText(sub)},
		)
		if len(sub) < 100 {
			clients = append(clients,
				&tenant{name: "filter " + sub, sub: subscription{filter: filterFrom(t, fmt.Sprintf("new.owner == %q", sub))}, sees: isText(sub)},
				&tenant{name: "filters " + sub, sub: subscription{filter: filterFrom(t, fmt.Sprintf(`new.owner in [%q, "none"] && new.missing == nil`, sub))}, sees: isText(sub)})
		}
	}
	clients = append(clients,
		&tenant{name: "number", sub: subscription{rights: rightsFrom(t, set, map[string]any{"sub": "n", "teams": many(1.0)})}, sees: func(owner any) bool { return owner == 1.0 }},
		&tenant{name: "other kinds", sub: subscription{rights: rightsFrom(t, set, map[string]any{"sub": "n", "teams": many(nil, []any{"x"}, map[string]any{"x": "x"}, "", true)})}, sees: func(owner any) bool { return owner == true }})
	o := *Type().Defaults().(*Options)
	h := newHub(o, newMetrics(), time.Now, func(f func(context.Context)) { go f(context.Background()) })
	h.clients, h.log = func() []*client { return nil }, quietLog()
	begins := map[*tenant]position{}
	topics := map[*tenant]*topic{}
	for _, c := range clients {
		top, at, err := h.join(t.Context(), c.name, c.sub, resumePoint{})
		if err != nil {
			t.Fatal(err)
		}
		begins[c], topics[c] = at.position, top
	}
	h.write(events)
	h.drainFeeders(t.Context())
	for _, c := range clients {
		var want, got []byte
		for _, e := range events {
			if c.sees(ownerOf(e.Data)) {
				want = appendFrame(want, opText, e.Data)
			}
		}
		for p := begins[c]; ; {
			frames, next := p.unread()
			if frames == nil {
				break
			}
			got, p = append(got, frames...), next
		}
		if string(got) != string(want) {
			t.Errorf("%.40s gets\n%.2000q\nwant\n%.2000q", c.name, got, want)
		}
		h.releaseTopic(topics[c], c.name)
	}
	h.feeding.Wait()
}
