package wasm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// hostModule is the module of which the guest imports the functions read, emit and fail.
const hostModule = "gateway"

// The values that the function read copies.
const (
	readPayload = iota
	readOptions
	readID
	readSource
	readChannel
	readKey
	readAttrs
	readEnd
)

// compiled caches the modules of all transforms that run. A module is compiled once for all routes, and not again by a reload that changes
// other options. A module is removed when the last transform with it is closed.
var compiled = wazero.NewCompilationCache()

const pageSize = 64 << 10

// open compiles the module and starts the first instance.
func (t *transform) open() error {
	if err := checkTables(t.opts.File.Text()); err != nil {
		return err
	}
	ctx := context.Background()
	// Tables are outside the memory that wazero bounds. Without reference types they cannot grow.
	features := api.CoreFeaturesV2.SetEnabled(api.CoreFeatureReferenceTypes, false)
	t.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features).WithDebugInfoEnabled(false).
		WithCloseOnContextDone(true).WithCompilationCache(compiled).WithMemoryLimitPages(uint32(t.opts.Memory/pageSize)))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, t.runtime); err != nil {
		return err
	}
	if err := t.exportFunctions(ctx); err != nil {
		return err
	}
	var err error
	if t.module, err = t.runtime.CompileModule(ctx, t.opts.File.Text()); err != nil {
		return fmt.Errorf("is not a module that can be run: %s", firstLine(err.Error()))
	}
	exports := t.module.ExportedFunctions()
	switch f := exports["apply"]; {
	case exports["_start"] != nil:
		return errors.New("is a program, which exports _start: build a library instead, such as by go build -buildmode=c-shared")
	case f == nil || !takesSize(f):
		return errors.New("does not export a function apply with one parameter of type i32, and no result: add it")
	case len(t.module.ExportedMemories()) != 1:
		return errors.New("does not export its memory: export it as memory")
	}
	return t.start(ctx)
}

// exportFunctions makes the functions that the guest may import.
func (t *transform) exportFunctions(ctx context.Context) error {
	i32 := api.ValueTypeI32
	_, err := t.runtime.NewHostModuleBuilder(hostModule).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(t.read), []api.ValueType{i32, i32, i32}, []api.ValueType{i32}).Export("read").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(t.emit), []api.ValueType{i32, i32}, nil).Export("emit").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(t.fail), []api.ValueType{i32, i32}, nil).Export("fail").
		Instantiate(ctx)
	return err
}

// read copies a value to the guest: read(value, pointer, capacity) returns its size, and copies as much as there is room for.
func (t *transform) read(_ context.Context, m api.Module, stack []uint64) {
	value, at, room := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	if value >= readEnd {
		t.refuse("call", "read: there is no value %d", value)
	}
	n := uint32(0)
	if value == readPayload || value == readOptions || value == readAttrs {
		data := t.data(value)
		n = uint32(len(data))
		t.checkCopy("read", at, min(n, room), m.Memory().Write(at, data[:min(n, room)]))
	} else {
		text := t.text(value)
		n = uint32(len(text))
		t.checkCopy("read", at, min(n, room), m.Memory().WriteString(at, text[:min(n, room)]))
	}
	stack[0] = uint64(n)
}

func (t *transform) data(value uint32) []byte {
	switch e := t.call.event; {
	case value == readOptions:
		return t.options
	case e == nil:
		return nil
	case value == readPayload:
		return e.Data
	case t.call.attrs == nil:
		attrs := map[string]string{}
		for _, a := range e.Attrs {
			attrs[a.Name] = a.Value
		}
		t.call.attrs, _ = json.Marshal(attrs) // texts can be marshalled
	}
	return t.call.attrs
}

func (t *transform) text(value uint32) string {
	e := t.call.event
	switch {
	case e == nil:
		return ""
	case value == readID:
		return e.ID
	case value == readSource:
		return e.Source
	case value == readChannel:
		return e.Channel
	}
	return e.Key
}

// emit emits an event: emit(pointer, size).
func (t *transform) emit(_ context.Context, m api.Module, stack []uint64) {
	at, size := uint32(stack[0]), uint32(stack[1])
	c := &t.call
	switch {
	case c.event == nil:
		t.refuse("call", "emit: there is no event yet")
	case c.events == t.opts.Max.Events || c.bytes+int(size) > int(t.opts.Max.Bytes):
		t.refuse("output", "emit: the events exceed max.events: %d or max.bytes: %s", t.opts.Max.Events, t.opts.Max.Bytes)
	}
	view, ok := m.Memory().Read(at, size)
	t.checkCopy("emit", at, size, ok)
	c.emitPayload(append(make([]byte, 0, size), view...))
}

// fail makes the event fail with a text: fail(pointer, size). The guest goes on.
func (t *transform) fail(_ context.Context, m api.Module, stack []uint64) {
	at, size := uint32(stack[0]), uint32(stack[1])
	view, ok := m.Memory().Read(at, size)
	t.checkCopy("fail", at, size, ok)
	t.call.failed = errors.New(printable(string(view[:min(len(view), maxText)])))
}

// checkCopy refuses an address outside the memory of the guest.
func (t *transform) checkCopy(function string, at, size uint32, ok bool) {
	if !ok {
		t.refuse("memory", "%s: %d bytes at %d are outside the memory", function, size, at)
	}
}

// refuse ends the call with a fault of the guest. It does not return.
func (t *transform) refuse(reason, format string, args ...any) {
	t.call.fault = &fault{reason, fmt.Sprintf(format, args...)}
	panic(t.call.fault) // wazero recovers it, and the call returns an error
}
