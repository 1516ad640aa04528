package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// countingSource is a source that emits numbers, and keeps the next one in its state.
type countingSource struct {
	env     plugin.Env
	emitted chan<- int
}

func counterType(emitted chan<- int) plugin.SourceType {
	return plugin.NewSource("counter", "Counts on.", func() struct{} { return struct{}{} }, func(_ struct{}, env plugin.Env) (plugin.Source, error) {
		return &countingSource{env, emitted}, nil
	}).With(plugin.Replays, plugin.KeepsState, plugin.ElectsLeader)
}

// Campaign is part of [plugin.Elector].
func (*countingSource) Campaign(ctx context.Context, _ string, _ int64, _ func(string)) (plugin.Leadership, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Run is part of [plugin.Source]. It stores the number of an event when it is acked.
func (s *countingSource) Run(ctx context.Context, out plugin.Output) error {
	text, err := s.env.State.Get(ctx, "next")
	if err != nil {
		return plugin.UnlessDone(ctx, err)
	}
	n, _ := strconv.Atoi(string(text))
	out.Ready()
	for flight := inflight.NewPositionTracker(n); ; n++ {
		e := &event.Event{ID: fmt.Sprint(n), Data: []byte(fmt.Sprint(n))}
		if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: flight.Add(n+1, 1)}); err != nil {
			return plugin.UnlessDone(ctx, err)
		}
		for flight.Acked() <= n {
			select {
			case <-flight.Changed:
			case <-ctx.Done():
				return nil
			}
		}
		if err := s.env.State.Put(ctx, "next", []byte(strconv.Itoa(n+1))); err != nil {
			return plugin.UnlessDone(ctx, err)
		}
		select {
		case s.emitted <- n:
		case <-ctx.Done():
			return nil
		}
	}
}

// TestSourceContinuesWithItsState proves that the state of a source is in a folder beside the configuration, survives the gateway, and that a
// change of the setting needs a restart.
func TestSourceContinuesWithItsState(t *testing.T) {
	file := writeConfig(t, `
http: {listen: "127.0.0.1:0"}
sources: {numbers: {type: counter}}
sinks: {out: {type: file, path: `+filepath.Join(t.TempDir(), "out.jsonl")+`}}
routes: {all: {from: [numbers], to: [out]}}
`)
	emitted := make(chan int)
	set := plugins()
	set.Sources = append(set.Sources, counterType(emitted))
	next := 0
	for range 2 {
		cfg, problems := config.Load(config.Request{Files: []string{file}, Env: config.NewEnv(), Plugins: set})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		g, err := assemble(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(testenv.Context(t))
		ended := make(chan error, 1)
		go func() { ended <- g.run(ctx) }()
		for range 3 {
			if n := <-emitted; n != next && n != next-1 { // the last one before the stop was stored, or not
				t.Errorf("number %d, want %d", n, next)
			} else {
				next = n + 1
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		changed := *cfg
		changed.State.Path = "elsewhere"
		if names := needRestart(cfg, &changed); len(names) != 1 || names[0] != "state" {
			t.Errorf("a restart is needed for %v", names)
		}
	}
	text, err := os.ReadFile(file + ".state/source/numbers/next")
	if n, _ := strconv.Atoi(string(text)); err != nil || n < next-1 {
		t.Errorf("the state is %q, %v", text, err)
	}
}

// TestStateIsChecked proves what `gateway check` says about a folder that cannot be written, and about a leader, and that a configuration
// whose components keep no state needs no folder.
func TestStateIsChecked(t *testing.T) {
	check := func(text string) (out string, err error) {
		set := plugins()
		set.Sources = append(set.Sources, counterType(nil))
		cmd, broken := command(set)
		if broken != nil {
			t.Fatal(broken)
		}
		var b strings.Builder
		cmd.SetOut(&b)
		cmd.SetArgs([]string{"check", "--live", "--json", writeConfig(t, text)})
		err = cmd.ExecuteContext(testenv.Context(t))
		var report struct{ Findings []entry }
		if jsonErr := json.Unmarshal([]byte(b.String()), &report); jsonErr != nil {
			t.Fatal(jsonErr, b.String())
		}
		for _, f := range report.Findings {
			out += f.Level + " " + f.Component + " " + f.Text + "\n"
		}
		return out, err
	}
	config := func(typ, state string) string {
		return "http: {listen: '127.0.0.1:0'}\nstate: " + state + "\nsources: {numbers: {type: " + typ + "}}\nsinks: {out: {type: stdout}}\nroutes: {all: {from: [numbers], to: [out]}}\n"
	}
	out, err := check(config("counter", "{path: /dev/null/state}"))
	if err == nil || !strings.Contains(out, "wrong  state.path: the state of components cannot be stored in /dev/null/state: ") || !strings.Contains(out, "(it is for sources.numbers)") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := check(config("generate", "{path: /dev/null/state}")); err != nil || strings.Contains(out, "state") {
		t.Errorf("without state: %v\n%s", err, out)
	}
	out, err = check(config("counter, leader: one", "{}"))
	if err != nil || !strings.Contains(out, "warning sources.numbers.leader the state of this source is in a folder of this machine") || !strings.Contains(out, "ok state the state of components can be stored in ") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = check(config("counter", "{url: 'redis://127.0.0.1:1'}"))
	if err == nil || !strings.Contains(out, "wrong state the state of components: cannot connect to redis://127.0.0.1:1") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _ = check(config("counter", "{url: 'redis://127.0.0.1:1', path: here}"))
	if !strings.Contains(out, "the state is either in a folder or at a server") {
		t.Errorf("both:\n%s", out)
	}
}
