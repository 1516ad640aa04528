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

// echo is a guest that emits the payload as it is.
const echo = `package main

import "unsafe"

//go:wasmimport gateway read
func read(value uint32, to unsafe.Pointer, capacity uint32) (size uint32)

//go:wasmimport gateway emit
func emit(from unsafe.Pointer, size uint32)

var buffer [1 << 16]byte

//go:wasmexport apply
func apply(size uint32) {
	read(0, unsafe.Pointer(&buffer), 1<<16)
	emit(unsafe.Pointer(&buffer), size)
}

func main() {}
`

// BenchmarkWasm measures an event through guests in WAT and Go that emit the payload as it is, and through the guest in Go of README.md, which
// decodes and encodes it, beside the transforms set, and exec with a program that does
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
	run("go, no json", instance(b, goModule(b, echo), patient), order)
	run("go", instance(b, goGuest(b), func(o *Options) {
		patient(o)
		o.Options = map[string]any{"rate": 0.19}
	}), order)
}

// BenchmarkStart compiles the guest in Go, and starts an instance of it.
func BenchmarkStart(b *testing.B) {
	file := goGuest(b)
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
