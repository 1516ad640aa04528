package set

import (
	"encoding/json"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
)

const order = `{"operation":"INSERT","timestamp":"2024-01-02T03:04:05.678901+00:00","order":{"id":12345,"customer_name":"Ada Lovelace","product":"Analytical Engine","amount":1234.50,"status":"pending","created_at":"2024-01-02T03:04:05.678901+00:00","updated_at":"2024-01-02T03:04:05.678901+00:00","note":"left at the door, as asked"}}`

// BenchmarkSetThreeFields sets three fields, of which one is computed, beside
// encoding/json with a map: decode, modify, encode. The ratio is the figure.
func BenchmarkSetThreeFields(b *testing.B) {
	data := []byte(order)
	b.Run("set", func(b *testing.B) {
		tr := plugintest.NewTransform(b, Type(), `fields: {_published_at: now(), _source: '"postgres_notify"', large: order.amount >= 1000}`, plugintest.Env(b))
		e := plugintest.NewEvent(order)
		var out []*event.Event
		emit := func(e *event.Event) { out = append(out, e) }
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			out = out[:0]
			if err := tr.Apply(b.Context(), e, emit); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			var doc map[string]any
			if err := json.Unmarshal(data, &doc); err != nil {
				b.Fatal(err)
			}
			amount, _ := doc["order"].(map[string]any)["amount"].(float64)
			doc["_published_at"], doc["_source"], doc["large"] = plugintest.Now().UTC().Format(time.RFC3339Nano), "postgres_notify", amount >= 1000
			if _, err := json.Marshal(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
}
