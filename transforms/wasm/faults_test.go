package wasm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

// instance builds a transform with the guest in a file.
func instance(t testing.TB, file string, set func(*Options)) *transform {
	t.Helper()
	o := *Type().Defaults().(*Options)
	if err := o.File.UnmarshalText([]byte(file)); err != nil {
		t.Fatal(err)
	}
	if set != nil {
		set(&o)
	}
	tr, err := build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.(*transform).Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tr.(*transform)
}

func payloads(events []*event.Event) (all []string) {
	for _, e := range events {
		all = append(all, string(e.Data))
	}
	return all
}

// TestFaultsAreContained proves that each fault of a guest is an error of its event that names it, is counted, and does not concern the
// next event.
func TestFaultsAreContained(t *testing.T) {
	file, bounds := faults(t), Max{Events: 100, Bytes: 1 << 20}
	tr := instance(t, file, func(o *Options) { o.Timeout, o.Memory, o.Max = options.Duration(time.Minute), 4<<20, bounds })
	for _, tc := range []struct{ payload, reason, err string }{
		{"grow", "trap", "wasm error: unreachable"},
		{"trap", "trap", "wasm error: unreachable"},
		{"divide", "trap", "wasm error: integer divide by zero"},
		{"stack", "trap", "stack overflow"},
		{"quit", "exit", "it has exited with 3"},
		{"pointer", "memory", "emit: 2 bytes at 131071 are outside the memory"},
		{"x", "memory", "fail: 1 bytes at 4294967295 are outside the memory"},
		{"write", "memory", "read: 5 bytes at 131071 are outside the memory"},
		{"r9", "call", "read: there is no value 9"},
		{"many", "output", "emit: the events exceed max.events: 100 or max.bytes: 1MiB"},
		{"bytes", "output", "emit: the events exceed max.events: 100 or max.bytes: 1MiB"},
		{"Pointer", "output", "emit: the events exceed max.events: 100 or max.bytes: 1MiB"},
	} {
		contained(t, tr, tc.payload, tc.reason, tc.err)
	}
	tr = instance(t, file, func(o *Options) { o.Timeout = options.Duration(500 * time.Millisecond) })
	contained(t, tr, "loop", "timeout", "it took longer than the timeout")
}

// contained applies an event on which the guest has a fault, and another one.
func contained(t *testing.T, tr *transform, payload, reason, text string) {
	t.Helper()
	starts, faults := testutil.ToFloat64(tr.metrics.starts), testutil.ToFloat64(tr.metrics.faults.WithLabelValues(reason))
	out, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent(payload))
	if err == nil || !strings.HasPrefix(err.Error(), "the module has failed: "+text) || len(out) != 0 || plugin.IsUnavailable(err) {
		t.Errorf("%s: %v, %q", payload, err, payloads(out))
	}
	if n := testutil.ToFloat64(tr.metrics.faults.WithLabelValues(reason)); n != faults+1 {
		t.Errorf("%s: %v faults %s", payload, n-faults, reason)
	}
	out, err = plugintest.Apply(t.Context(), tr, plugintest.NewEvent("n"))
	if err != nil || len(out) != 1 || string(out[0].Data) != "1" {
		t.Fatalf("after %s: %q, %v: the instance is not new", payload, payloads(out), err)
	}
	if n := testutil.ToFloat64(tr.metrics.starts); n != starts+1 {
		t.Errorf("%s: %v starts", payload, n-starts)
	}
}

// TestFailKeepsTheInstance proves that an event that the guest refuses costs no new instance.
func TestFailKeepsTheInstance(t *testing.T) {
	tr := instance(t, faults(t), nil)
	for n, payload := range []string{"n", "f", "n"} {
		out, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent(payload))
		if payload == "f" {
			if err == nil || plugin.IsUnavailable(err) {
				t.Errorf("the error is %v", err)
			}
		} else if err != nil || string(out[0].Data) != fmt.Sprint(n+1) {
			t.Errorf("%q, %v", payloads(out), err)
		}
	}
}

// TestStopIsNoFault proves that a call that is interrupted by the end of its context is not counted, and that its event is redelivered.
func TestStopIsNoFault(t *testing.T) {
	tr := instance(t, faults(t), func(o *Options) { o.Timeout = options.Duration(time.Minute) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := plugintest.Apply(ctx, tr, plugintest.NewEvent("loop")); !plugin.IsUnavailable(err) {
		t.Errorf("the error is %v", err)
	}
	for _, reason := range reasons {
		if n := testutil.ToFloat64(tr.metrics.faults.WithLabelValues(reason)); n != 0 {
			t.Errorf("%v faults %s", n, reason)
		}
	}
	if out, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent("n")); err != nil || string(out[0].Data) != "1" {
		t.Errorf("%q, %v", payloads(out), err)
	}
}

// TestTablesAreBounded proves that a guest cannot grow a table, whose memory no option bounds, and that broken modules are refused.
func TestTablesAreBounded(t *testing.T) {
	o := *Type().Defaults().(*Options)
	grows := wat(t, `(module (table 1 funcref) (memory (export "memory") 1) (func (export "apply") (param i32) (drop (table.grow 0 (ref.null func) (local.get 0)))))`)
	if err := o.File.UnmarshalText([]byte(grows)); err != nil {
		t.Fatal(err)
	}
	if _, err := build(o, plugintest.Env(t)); err == nil || !strings.Contains(err.Error(), "reference-types") {
		t.Errorf("the error is %v", err)
	}
	for _, module := range []string{"", "\x00asm", "\x00asm\x01\x00\x00\x00\x04", "\x00asm\x01\x00\x00\x00\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x00asm\x01\x00\x00\x00\x04\x01\x01", "\x00asm\x01\x00\x00\x00\x04\x02\x02\x70"} {
		if err := checkTables([]byte(module)); err == nil {
			t.Errorf("%q is no error", module)
		}
	}
}

// TestBrokenModules proves that a module with wrong bytes is refused, or is built, and never a panic.
func TestBrokenModules(t *testing.T) {
	module, err := os.ReadFile(faults(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "broken.wasm")
	rapid.Check(t, func(r *rapid.T) {
		broken := slices.Clone(module[:rapid.IntRange(0, len(module)).Draw(r, "length")])
		for range rapid.IntRange(0, 4).Draw(r, "wrong") {
			if len(broken) > 0 {
				broken[rapid.IntRange(0, len(broken)-1).Draw(r, "at")] = rapid.Byte().Draw(r, "byte")
			}
		}
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			r.Fatal(err)
		}
		o := *Type().Defaults().(*Options)
		if err := o.File.UnmarshalText([]byte(path)); err != nil {
			r.Fatal(err)
		}
		tr, err := build(o, plugintest.Env(t))
		switch {
		case err != nil && err.Error() == "":
			r.Fatal("an error without a text")
		case err == nil:
			if err := tr.(*transform).Close(context.Background()); err != nil {
				r.Fatal(err)
			}
		}
	})
}

// TestRights proves that a guest in Go has no files, no environment and no arguments, that sleeping takes no time, and that its
// panic is in the error.
func TestRights(t *testing.T) {
	t.Parallel()
	tr := instance(t, goModule(t, `package main

import (
	"fmt"
	"os"
	"time"
)

//go:wasmexport apply
func apply(size uint32) {
	time.Sleep(1000 * time.Hour)
	_, read := os.ReadFile("/etc/passwd")
	write := os.WriteFile("/tmp/x", nil, 0o600)
	panic(fmt.Sprintln(read != nil, write != nil, os.Environ(), len(os.Args) < 2, time.Now().UTC().Format(time.DateOnly)))
}

func main() {}
`), func(o *Options) { o.Timeout = options.Duration(time.Minute) })
	_, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent("x"))
	if want := "panic: true true [] true 2024-01-02"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("the error is %v, want %s", err, want)
	}
}
