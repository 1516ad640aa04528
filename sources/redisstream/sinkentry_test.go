package redisstream

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// TestSinkEntries proves that entries of the sink are recognized, with the mark and without, and
// those of other programs are not.
func TestSinkEntries(t *testing.T) {
	hash := strings.Repeat("0a", 16)
	for fields, want := range map[string]string{ // ID, key, payload and attributes; of others the payload
		"eventgateway 1 data x id 7 key k attr.a b":         "7 k x [{a b}]",
		"eventgateway 1 data x":                             "s:1-0  x []",
		"eventgateway 1 data x attr.eventgateway 1":         "s:1-0  x [{eventgateway 1}]",
		"eventgateway 2 data x":                             `s:1-0  {"eventgateway":"2","data":"x"} []`,
		"data x eventgateway 1":                             `s:1-0  {"data":"x","eventgateway":"1"} []`,
		"data x":                                            "s:1-0  x []",
		"data x key k":                                      "s:1-0 k x []",
		"data x id 123-h4xk2abcde1 key k":                   "123-h4xk2abcde1 k x []",
		"data x id 123-h4xk2abcde1/2/1":                     "123-h4xk2abcde1/2/1  x []",
		"data x id snapshot-5-" + hash:                      "snapshot-5-" + hash + "  x []",
		"data x id orders:1700000000000-3":                  "orders:1700000000000-3  x []",
		"data x id any key k attr.table t attr.operation o": "any k x [{table t} {operation o}]",
		"data x id 7":                                       `s:1-0  {"data":"x","id":"7"} []`,
		"data x id 7 key k":                                 `s:1-0  {"data":"x","id":"7","key":"k"} []`,
		"data x id 550e8400-e29b-41d4-a716-446655440000":    `s:1-0  {"data":"x","id":"550e8400-e29b-41d4-a716-446655440000"} []`,
		"data x id order-7":                                 `s:1-0  {"data":"x","id":"order-7"} []`,
		"id 123-h4xk2abcde1 data x":                         `s:1-0  {"id":"123-h4xk2abcde1","data":"x"} []`,
		"data x type t":                                     `s:1-0  {"data":"x","type":"t"} []`,
		"data x data y":                                     `s:1-0  {"data":"x","data":"y"} []`,
		"data x attr.a b type t":                            `s:1-0  {"data":"x","attr.a":"b","type":"t"} []`,
		"key k id 7":                                        `s:1-0  {"key":"k","id":"7"} []`,
	} {
		e := entry{id: "1-0", fields: strings.Fields(fields)}.event("in", "s")
		if got := fmt.Sprintf("%s %s %s %v", e.ID, e.Key, e.Data, e.Attrs); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", fields, got, want)
		}
	}
}

// TestForeignEntriesAreNoRepeats proves that two entries of another program with the same field id are
// two events.
func TestForeignEntriesAreNoRepeats(t *testing.T) {
	flushRedis(t)
	r := start(t, func(o *Options) { o.Stream = "foreign" }, nil)
	client := testenv.RedisClient(t)
	for _, status := range []string{"paid", "sent"} {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "foreign", Values: []string{"id", "7", "key", "gold", "data", status}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	a, b := r.next(), r.next()
	if a.ID == b.ID || a.Key+b.Key != "" || string(a.Data) != `{"id":"7","key":"gold","data":"paid"}` || string(b.Data) != `{"id":"7","key":"gold","data":"sent"}` {
		t.Errorf("%+v %s\n%+v %s", a, a.Data, b, b.Data)
	}
}
