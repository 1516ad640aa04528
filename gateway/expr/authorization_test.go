package expr

import (
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

func TestAuthorization(t *testing.T) {
	ev := &event.Event{Channel: "orders", Data: []byte(`{"order":{"customer_id":7,"name":"Ada","region":"eu"}}`)}
	claims := map[string]any{"sub": "7", "id": 7.0, "name": "Ada", "org": map[string]any{"regions": []any{"eu", "us"}, "id": "x"}, "admin": true}
	for source, want := range map[string]struct{ keyed, may bool }{
		"order.customer_id == claims.sub":                {true, true}, // as text
		"claims.id == order.customer_id":                 {true, true},
		"order.name == claims.sub":                       {true, false},
		"order.missing == claims.missing":                {true, false}, // nothing is not equal to nothing
		"event.channel == claims.org.id":                 {true, false},
		"order.region in claims.org.regions":             {false, true},
		"order.customer_id == claims.id && claims.admin": {false, true},
		"claims.admin or order.name == claims.name":      {false, true},
		"order.customer_id > claims.id":                  {false, false},
	} {
		var a Authorization
		if err := a.UnmarshalText([]byte(source)); err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var x Evaluator
		claim, keyed := a.Claim(claims)
		may := false
		if keyed {
			key := x.Key(nil, a, ev)
			may = len(key) > 0 && string(key) == claim
		} else {
			c, err := a.For(claims)
			if err != nil {
				t.Errorf("%s: %v", source, err)
				continue
			}
			if may, err = x.True(c, ev); err != nil {
				t.Errorf("%s: %v", source, err)
			}
		}
		if keyed != want.keyed || may != want.may {
			t.Errorf("%s: keyed %v, may %v", source, keyed, may)
		}
	}
	for source, want := range map[string]string{"order.id == 7": "nothing about claims", "order.id ==": "unexpected", "claims.sub + 1": "true or false", "": "empty"} {
		var a Authorization
		if err := a.UnmarshalText([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", source, err)
		}
	}
}
