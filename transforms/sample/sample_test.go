package sample

import (
	"fmt"
	"testing"

	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "all", Options: `one_in: 1`, In: `x`, Out: []string{`x`}},
		{Name: "fails", Options: `{one_in: 2, by: a.b}`, In: `{}`, Error: "cannot evaluate `a.b`"},
	}, InvalidOptions: map[string]string{
		`{}`:                   "one_in: must be at least 1",
		`{one_in: 2, by: "("}`: "options:1:17: by: wrong expression",
	}})
}

// TestByIsEvenAndStable proves that about a tenth of 10,000 values goes on, and the same on every
// gateway.
func TestByIsEvenAndStable(t *testing.T) {
	const options = `{one_in: 10, by: order.id}`
	a, b := plugintest.NewTransform(t, Type(), options, plugintest.Env(t)), plugintest.NewTransform(t, Type(), options, plugintest.Env(t))
	count := 0
	for id := range 10_000 {
		e := plugintest.NewEvent(fmt.Sprintf(`{"order":{"id":%d}}`, id))
		first, err := plugintest.Apply(t.Context(), a, e)
		if err != nil {
			t.Fatal(err)
		}
		second, err := plugintest.Apply(t.Context(), b, e)
		if err != nil || len(first) != len(second) {
			t.Fatalf("%d: %d events here, %d there, %v", id, len(first), len(second), err)
		}
		count += len(first)
	}
	if count < 900 || count > 1100 {
		t.Errorf("%d of 10,000 went on", count)
	}
}
