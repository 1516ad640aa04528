package websocket

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// TestViewsEqualTheTextOfTheRule proves that clients get what a reader of the rule and of the filter understands. They have any
// claims, filters and channels, and renew their tokens at any time. There are sets, shared conjuncts, rules by channel, and old rows.
func TestViewsEqualTheTextOfTheRule(t *testing.T) {
	messages, leaves, renewed, refused := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		o := *Type().Defaults().(*Options)
		o.MaxTopics, o.Limits.FiltersPerAddress, o.Limits.FilterTime = 1000, 1000, 0
		rule := rapid.SampledFrom(readRules).Draw(t, "rule")
		if err := o.Authorize.UnmarshalText([]byte(rule.text)); err != nil {
			t.Fatal(err)
		}
		computed := rapid.Bool().Draw(t, "computed channels")
		if computed {
			o.Channels = []expr.Template{expr.MustTemplate("{{ event.channel }}"), expr.MustTemplate("owner:{{ new.owner }}"), expr.MustTemplate("{{ new.status }}")}
		}
		h := newHub(o, newMetrics(), time.Now, func(f func(context.Context)) { go f(context.Background()) })
		h.clients, h.log = func() []*client { return nil }, quietLog()
		var views []*ruleView
		join := func(v *ruleView, from resumePoint) bool {
			var err error
			if v.sub.rights, err = rightsOf(o.Authorize, v.claims.decoded()); err != nil {
				t.Fatal(err)
			}
			if err := v.sub.checkChannels(); err != nil {
				refused++
				for range 20 { // it would get nothing in this channel
					e := drawRuleEvent(t, 0)
					for _, row := range []*ruleRow{e.now, e.old} {
						for _, name := range v.sub.channels {
							if strings.Contains(err.Error(), fmt.Sprintf("%q", name)) && rule.shows(v.claims, row, name) {
								t.Fatalf("%v, but %s shows %s to %+v", err, rule.text, row.json(), v.claims)
							}
						}
					}
				}
				return false
			}
			top, at, err := h.join(t.Context(), "a", v.sub, from)
			if err != nil {
				t.Fatal(err)
			}
			v.topic, v.at = top, at.position
			return true
		}
		for range rapid.IntRange(3, 12).Draw(t, "clients") {
			v := &ruleView{claims: drawClaims(t), filter: rapid.SampledFrom(readFilters).Draw(t, "filter")}
			v.sub.protocol = rapid.Bool().Draw(t, "protocol")
			v.sub.channels = rapid.SampledFrom([][]string{nil, nil, {"one"}, {"one", "owner:x"}, {"a", "two"}, {"o*"}, {"owner:*"}}).Draw(t, "channels")
			if v.filter.text != "" {
				var err error
				if v.sub.filter, err = expr.CompileFilter(v.filter.text); err != nil {
					t.Fatal(err)
				}
			}
			if join(v, resumePoint{}) {
				views = append(views, v)
			}
		}
		for number := range rapid.IntRange(1, 6).Draw(t, "batches") {
			var batch []*event.Event
			for i := range rapid.IntRange(1, 40).Draw(t, "events") {
				e := drawRuleEvent(t, 100*number+i)
				batch = append(batch, e.Event)
				for _, v := range views {
					if text := v.message(rule, e, computed); text != "" {
						v.want = append(v.want, text)
					}
				}
			}
			h.write(batch)
			h.drainFeeders(t.Context())
			for _, v := range views {
				if v.read(); rapid.IntRange(0, 2).Draw(t, "renew") > 0 {
					continue
				}
				old, claims, at, rights := v.topic, v.claims, v.at, v.sub.rights
				v.claims = drawClaims(t)
				if !join(v, resumePoint{given: true, continues: true, offset: h.sentOffset(old, v.at)}) {
					v.topic, v.claims, v.at, v.sub.rights = old, claims, at, rights
					continue
				}
				h.releaseTopic(old, "a")
				renewed++
			}
		}
		for _, v := range views {
			for _, text := range v.want {
				if messages++; isLeave([]byte(text)) {
					leaves++
				}
			}
			if !slices.Equal(v.got, v.want) {
				claims, _ := json.Marshal(v.claims.decoded())
				t.Fatalf("rule %s, filter %s, channels %v, claims %s: got\n%s\nwant\n%s", rule.text, v.filter.text, v.sub.channels, claims, strings.Join(v.got, "\n"), strings.Join(v.want, "\n"))
			}
			h.releaseTopic(v.topic, "a")
		}
		h.feeding.Wait()
	})
	t.Logf("%d messages, %d of them leaves, %d renewed, %d refused", messages, leaves, renewed, refused)
	if messages == 0 || leaves == 0 || renewed == 0 || refused == 0 {
		t.Error("the generators no longer give all kinds")
	}
}
