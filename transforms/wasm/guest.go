package wasm

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"eventgateway/gateway/plugin"
)

// guest is one instance of the module.
type guest struct {
	module api.Module
	memory api.Memory
	run    api.Function
	stack  [1]uint64
	output output // of the present call
	nanos  int64  // the guest's clock of durations
	watch  watch
}

// newGuest makes an instance and starts it. The caller closes the instance, also after an error.
func newGuest(ctx context.Context, r wazero.Runtime, m wazero.CompiledModule, env plugin.Env) (*guest, error) {
	g := &guest{}
	g.watch.init()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").
		WithStdout(&g.output).WithStderr(&g.output).WithRandSource(rand.Reader).
		WithWalltime(func() (int64, int32) {
			now := env.Now()
			return now.Unix(), int32(now.Nanosecond())
		}, sys.ClockResolution(time.Microsecond)).
		WithNanotime(func() int64 { // a sleep returns at once, and the clock moves by its duration
			g.nanos += int64(time.Microsecond)
			return g.nanos
		}, sys.ClockResolution(time.Microsecond)).
		WithNanosleep(func(ns int64) { g.nanos += max(ns, 0) })
	g.watch.begin(ctx, startTime)
	defer g.watch.end()
	var err error
	if g.module, err = r.InstantiateModule(g.watch.ctx, m, config); err != nil {
		return g, err
	}
	g.memory, g.run = g.module.Memory(), g.module.ExportedFunction("apply")
	return g, nil
}

// apply calls the function apply of the guest.
func (g *guest) apply(ctx context.Context, size int, timeout time.Duration) error {
	g.output.Reset()
	g.stack[0] = uint64(uint32(size))
	g.watch.begin(ctx, timeout)
	defer g.watch.end()
	return g.run.CallWithStack(g.watch.ctx, g.stack[:])
}

// cancelled reports whether the watch has cancelled the instance.
func (g *guest) cancelled() bool { return g.watch.ctx.Err() != nil }

func (g *guest) close() {
	g.watch.cancel()
	if g.module != nil {
		_ = g.module.Close(context.Background()) // it releases only memory
	}
}

// watch cancels the context of an instance when a call takes too long, or the context of the call ends. A cancelled instance ends at
// its next loop or call. One timer serves all calls, because a context with a deadline for each costs more than most calls.
type watch struct {
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer

	mu       sync.Mutex
	calling  bool
	call     context.Context
	deadline time.Time
}

// tick is the longest time until the watch notices that the context of a call has ended.
const tick = 50 * time.Millisecond

func (w *watch) init() {
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.timer = time.AfterFunc(time.Hour, w.check)
	w.timer.Stop()
}

func (w *watch) begin(ctx context.Context, timeout time.Duration) {
	w.mu.Lock()
	w.calling, w.call, w.deadline = true, ctx, time.Now().Add(timeout)
	w.mu.Unlock()
	w.timer.Reset(min(timeout, tick))
}

func (w *watch) end() {
	w.timer.Stop()
	w.mu.Lock()
	w.calling, w.call = false, nil
	w.mu.Unlock()
}

// check cancels the instance if the call is over its deadline, or its context has ended. The timer calls it, perhaps after the next call
// has begun.
func (w *watch) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.calling {
		return
	}
	left := time.Until(w.deadline)
	if left <= 0 || w.call.Err() != nil {
		w.cancel()
		return
	}
	w.timer.Reset(min(left, tick))
}

// output is the beginning of the standard output and error of the guest, such as the message of a panic.
type output struct{ strings.Builder }

// maxText bounds texts of the guest in errors, in bytes.
const maxText = 1000

// Write is part of [io.Writer].
func (o *output) Write(b []byte) (int, error) {
	if room := maxText - o.Len(); room > 0 {
		o.Builder.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// firstLine returns the first line, without characters that are not printed.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return printable(line)
}
