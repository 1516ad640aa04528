package wasm

import (
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/transforms/exec"
	"eventgateway/transforms/set"
)

const order = `{"operation":"INSERT","timestamp":"2024-01-02T03:04:05.678901+00:00","price":1234.50,"order":{"id":12345,"customer_name":"Ada Lovelace","product":"Analytical Engine","status":"pending","created_at":"2024-01-02T03:04:05.678901+00:00","note":"left at the door, as asked"}}`

// inJSON is a guest that decodes and encodes the payload.
const inJSON = `package main

import (
	"encoding/json"
	"unsafe"
)

//go:wasmimport gateway read
func read(value uint32, to unsafe.Pointer, capacity uint32) (size uint32)

//go:wasmimport gateway emit
func emit(from unsafe.Pointer, size uint32)

//go:wasmexport apply
func apply(size uint32) {
	buffer := make([]byte, size)
	read(0, unsafe.Pointer(&buffer[0]), size)
	var order map[string]any
	if err := json.Unmarshal(buffer, &order); err != nil {
		panic(err)
	}
	order["vat"] = order["price"].(float64) * 0.19
	made, _ := json.Marshal(order)
	emit(unsafe.Pointer(&made[0]), uint32(len(made)))
}

func main() {}
`

// BenchmarkWasm measures an event through a guest in WAT that emits the payload as it is, through the guest in Go of README.md, and through one that
// decodes and encodes JSON, beside the transforms set, and exec with a program that does
// the same and gets the events one by one.
func BenchmarkWasm(b *testing.B) {
	run := func(name string, tr plugin.Transform, payload string) {
		b.Run(name, func(b *testing.B) {
			e := plugintest.NewEvent(payload)
			made := 0
			emit := func(*event.Event) { made++ }
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if err := tr.Apply(b.Context(), e, emit); err != nil {
					b.Fatal(err)
				}
			}
			if made == 0 {
				b.Fatal("nothing was emitted")
			}
		})
	}
	run("set", plugintest.NewTransform(b, set.Type(), `fields: {vat: price * 0.19}`, plugintest.Env(b)), order)
	run("exec in Python", plugintest.NewTransform(b, exec.Type(), `{command: [/usr/bin/python3, ../exec/example.py], options: {field: price}}`, plugintest.Env(b)), `{"price":"x"}`)
	patient := func(o *Options) { o.Timeout = options.Duration(time.Minute) } // the machine may be busy
	run("wat", instance(b, faults(b), patient), "e"+order)
	run("go", instance(b, goGuest(b), patient), order)
	run("go, decoding JSON", instance(b, goModule(b, inJSON), patient), order)
}

// BenchmarkStart compiles the guest in Go, and starts an instance of it.
func BenchmarkStart(b *testing.B) {
	file := goModule(b, inJSON)
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			tr := instance(b, file, nil)
			_ = tr.Close(b.Context())
		}
	})
	tr := instance(b, file, nil)
	b.Run("instance", func(b *testing.B) {
		for b.Loop() {
			tr.discard()
			if err := tr.start(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
