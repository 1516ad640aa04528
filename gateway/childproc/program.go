package childproc

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
)

// Version is the version of the protocol.
const Version = 1

// Program starts one process after the other for a component. It pauses between two starts, and the pauses grow while processes end
// without progress.
type Program struct {
	kind     plugin.Kind
	env      plugin.Env
	opts     Config
	hello    json.RawMessage // options of the program
	log      func([]byte)
	starts   prometheus.Counter
	failed   *prometheus.CounterVec
	mu       sync.Mutex
	begun    time.Time // of the last process
	failures int       // consecutive processes that have ended without progress
	last     error     // why the last one has ended
}

// Pauses between two starts.
const (
	minPause = 100 * time.Millisecond // also after a process that has made progress
	maxPause = 30 * time.Second       // after many processes without progress
	// longestWait is the longest pause for which Start waits. For a longer one it returns an error.
	longestWait = time.Second
)

// NewProgram returns the program of a component. It starts nothing.
func NewProgram(kind plugin.Kind, opts Config, env plugin.Env) (*Program, error) {
	hello, err := opts.hello()
	if err != nil {
		return nil, &plugin.OptionError{Option: "options", Err: fmt.Errorf("cannot be written as JSON: %w", err)}
	}
	p := &Program{
		kind: kind, env: env, opts: opts, hello: hello, log: newLogger(env.Log),
		starts: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_exec_starts_total", Help: "processes that were started"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_exec_failures_total", Help: "processes that have failed, by reason"}, []string{"reason"}),
	}
	for _, reason := range []string{reasonStart, reasonExit, reasonTimeout, reasonProtocol} {
		p.failed.WithLabelValues(reason) // a rate needs the series before its first failure
	}
	env.Metrics.MustRegister(p.starts, p.failed)
	return p, nil
}

// MaxLine returns the longest line, in bytes.
func (p *Program) MaxLine() int { return int(p.opts.MaxLine) }

// Extra is a further member of the first line of input.
type Extra struct {
	Name string
	JSON []byte
}

// Start starts a process, and returns when it is ready. handle is called with each line of its output after the first one, in one
// goroutine; an error of it kills the process. Start waits up to longestWait for the pause between two starts. All its errors are
// marked by [plugin.Unavailable].
func (p *Program) Start(ctx context.Context, handle func(line []byte) error, extra ...Extra) (*Process, error) {
	if err := p.pause(ctx); err != nil {
		return nil, plugin.Unavailable(err)
	}
	cmd := exec.Command(p.opts.Command[0], p.opts.Command[1:]...)
	if cmd.Err != nil {
		return nil, plugin.Unavailable(p.count(failuref(reasonStart, "cannot start the program: %w", cmd.Err)))
	}
	cmd.Dir, cmd.Env = p.opts.Dir, []string{}
	for _, e := range p.opts.Env {
		cmd.Env = append(cmd.Env, e.Key+"="+e.Value.Reveal())
	}
	ready, isReady := make(chan struct{}), false
	line := func(text []byte) error {
		if isReady {
			return handle(text)
		}
		if err := checkReady(text); err != nil {
			return err
		}
		isReady = true
		close(ready)
		return nil
	}
	proc, err := launch(cmd, &p.opts.Limits, line, p.log, func(reason error) { _ = p.count(reason) })
	if err != nil {
		return nil, plugin.Unavailable(p.count(err))
	}
	p.starts.Inc()
	starting, cancel := context.WithTimeout(ctx, p.opts.StartTimeout.D())
	defer cancel()
	if err := proc.Write(starting, p.firstLine(extra)); err != nil && starting.Err() == nil {
		return nil, plugin.Unavailable(err)
	}
	select {
	case <-ready:
		return proc, nil
	case <-proc.Done():
		return nil, plugin.Unavailable(proc.Err())
	case <-starting.Done():
		return nil, plugin.Unavailable(proc.Kill("become ready"))
	}
}

// firstLine returns the line with the options.
func (p *Program) firstLine(extra []Extra) []byte {
	b := append([]byte(`{"hello":`), strconv.Itoa(Version)...)
	b = appendText(append(b, `,"kind":`...), []byte(p.kind))
	b = appendText(append(b, `,"name":`...), []byte(p.env.Name))
	b = append(append(b, `,"options":`...), p.hello...)
	b = strconv.AppendInt(append(b, `,"max_line":`...), int64(p.opts.MaxLine), 10)
	if p.env.DryRun {
		b = append(b, `,"dry_run":true`...)
	}
	for _, e := range extra {
		b = append(appendText(append(b, ','), []byte(e.Name)), ':')
		b = append(b, e.JSON...)
	}
	return append(b, "}\n"...)
}

// Progress records that the process works: it has delivered, emitted or transformed an event.
func (p *Program) Progress() {
	p.mu.Lock()
	p.failures = 0
	p.mu.Unlock()
}

// count counts the failure of a process, and returns it.
func (p *Program) count(reason error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if why := reasonOf(reason); why != reasonStopped {
		p.failed.WithLabelValues(why).Inc()
		p.failures++
		p.last = reason
	}
	return reason
}

// pause waits until the next process may start.
func (p *Program) pause(ctx context.Context) error {
	p.mu.Lock()
	wait := time.Duration(0)
	if !p.begun.IsZero() {
		wait = time.Until(p.begun.Add(min(maxPause, minPause<<min(max(p.failures-1, 0), 16))))
	}
	if wait > longestWait {
		defer p.mu.Unlock()
		return fmt.Errorf("the program is started again in %v, because it has failed %d times: %w", wait.Round(100*time.Millisecond), p.failures, p.last)
	}
	p.begun = time.Now().Add(max(wait, 0))
	p.mu.Unlock()
	if wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
