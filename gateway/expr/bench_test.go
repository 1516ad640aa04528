package expr

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
)

// payloads returns an order of usual size, and a large one.
func payloads() map[string][]byte {
	order := `{"operation":"INSERT","timestamp":"2024-01-02T03:04:05.678901+00:00","order":{"id":12345,"customer_name":"Ada Lovelace","product":"Analytical Engine","amount":1234.50,"status":"pending","created_at":"2024-01-02T03:04:05.678901+00:00","updated_at":"2024-01-02T03:04:05.678901+00:00","note":"left at the door, as asked"%s}}`
	var lines []string
	for i := range 38 {
		lines = append(lines, fmt.Sprintf(`{"sku":"AE-%04d","quantity":%d,"price":12.50,"title":"Number wheel, brass, \"fine\"","tags":["a","b"]}`, i, i))
	}
	return map[string][]byte{
		"330B": []byte(fmt.Sprintf(order, "")),
		"4KB":  []byte(fmt.Sprintf(order, `,"lines":[`+strings.Join(lines, ",")+"]")),
	}
}

// BenchmarkFilter evaluates `operation == "INSERT" && order.amount > 100`, beside
// encoding/json with a map and the same condition in Go. The ratio is the figure.
func BenchmarkFilter(b *testing.B) {
	var c Condition
	if err := c.UnmarshalText([]byte(`operation == "INSERT" && order.amount > 100`)); err != nil {
		b.Fatal(err)
	}
	for size, data := range payloads() {
		ev := &event.Event{Data: data}
		b.Run(size+"/expr", func(b *testing.B) {
			var x Evaluator
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := x.True(c, ev); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
		b.Run(size+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				var doc map[string]any
				if err := json.Unmarshal(data, &doc); err != nil {
					b.Fatal(err)
				}
				order, _ := doc["order"].(map[string]any)
				if amount, _ := order["amount"].(float64); doc["operation"] != "INSERT" || amount <= 100 {
					b.Fatal(doc)
				}
			}
		})
	}
}
