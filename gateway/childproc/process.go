package childproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"eventgateway/gateway/plugin"
)

// Process is a process of a program. Its methods are safe for concurrent use.
type Process struct {
	name  string
	pid   int
	stdin *os.File
	stop  time.Duration
	write sync.Mutex // one line after the other

	mu     sync.Mutex
	reaped bool  // its number may belong to another process
	reason error // why it has ended, or is being killed
	status error // of its end, as the system reports it

	ended chan struct{} // closed when the process has ended
	done  chan struct{} // closed when its output was read, too
}

// launch starts a process. line is called with each line of its output, log with each line of its standard error, in two
// goroutines. An error of line kills it. exited is called once, before Done is closed, with the reason of the end.
func launch(cmd *exec.Cmd, o *Limits, line func([]byte) error, log func([]byte), exited func(error)) (*Process, error) {
	var pipes pipes
	p := &Process{name: cmd.Path, stop: o.StopTimeout.D(), ended: make(chan struct{}), done: make(chan struct{})}
	stdin, stdout, stderr := pipes.make(), pipes.make(), pipes.make()
	if pipes.err != nil {
		pipes.close()
		return nil, failuref(reasonStart, "cannot start %s: %w", cmd.Path, pipes.err)
	}
	p.stdin = stdin.w
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin.r, stdout.w, stderr.w
	cmd.SysProcAttr = attributes()
	started := make(chan error)
	var readers sync.WaitGroup
	readers.Add(2)
	plugin.Go(func() error {
		runtime.LockOSThread() // the kernel kills the process when the thread that has started it ends
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		for _, f := range []*os.File{stdin.r, stdout.w, stderr.w} {
			_ = f.Close()
		}
		if err != nil {
			started <- failuref(reasonStart, "cannot start %s: %w", cmd.Path, err)
			return nil
		}
		p.pid = cmd.Process.Pid
		if o.Memory > 0 {
			if err := limitMemory(p.pid, int64(o.Memory)); err != nil && !errors.Is(err, syscall.ESRCH) {
				p.fail(failuref(reasonStart, "cannot limit the memory of %s: %w", cmd.Path, err))
			}
		}
		started <- nil
		p.wait(cmd)
		close(p.ended)
		now := time.Now()
		_ = stdout.r.SetReadDeadline(now)
		_ = stderr.r.SetReadDeadline(now)
		readers.Wait()
		return nil
	}, func(err error) {
		if p.pid == 0 { // it was never started
			return
		}
		p.fail(err) // of a panic
		for _, f := range []*os.File{p.stdin, stdout.r, stderr.r} {
			_ = f.Close()
		}
		exited(p.Err())
		close(p.done)
	})
	if err := <-started; err != nil {
		pipes.close()
		return nil, err
	}
	plugin.Go(func() error { return p.read(stdout.r, int(o.MaxLine), line) }, func(err error) { p.fail(err); readers.Done() })
	plugin.Go(func() error { return logLines(&drainedPipe{f: stderr.r}, log) }, func(err error) { p.fail(err); readers.Done() })
	return p, nil
}

// wait waits for the end of the process, and kills what is left of its group.
func (p *Process) wait(cmd *exec.Cmd) {
	held := awaitExit(p.pid)
	if held {
		p.signal(syscall.SIGKILL)
	}
	p.mu.Lock()
	if held { // it has ended, so this does not block
		p.reaped = true
		defer p.mu.Unlock()
	} else {
		p.mu.Unlock()
	}
	err := cmd.Wait()
	if !held {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		p.mu.Lock()
		p.reaped = true
		defer p.mu.Unlock()
	}
	p.status = err
	switch {
	case p.reason != nil:
	case err == nil:
		p.reason = failuref(reasonExit, "%s has ended with status 0 before the end of its input", p.name)
	default:
		p.reason = failuref(reasonExit, "%s has ended: %w", p.name, err)
	}
}

// read reads the output of the process until its end.
func (p *Process) read(f *os.File, longest int, line func([]byte) error) error {
	lines := newLineReader(&drainedPipe{f: f}, longest)
	for {
		text, err := lines.next()
		if err == nil {
			if err = line(text); err == nil {
				continue
			}
		}
		var f *failure
		switch {
		case errors.As(err, &f):
			return fmt.Errorf("%s: %w", p.name, err)
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
		select { // a process that ends closes its output shortly before
		case <-p.ended:
			return nil
		case <-time.After(closedPause):
			return failuref(reasonProtocol, "%s has closed its output and has not ended", p.name)
		}
	}
}

// closedPause is how long a process may run after it has closed its output.
const closedPause = time.Second

// fail kills the process for a reason; nil does nothing. The first reason counts.
func (p *Process) fail(reason error) {
	if reason == nil {
		return
	}
	p.mu.Lock()
	if p.reason == nil {
		p.reason = reason
	}
	p.mu.Unlock()
	p.signal(syscall.SIGKILL)
}

// signal sends a signal to all processes of the group.
func (p *Process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped && p.pid > 0 {
		_ = syscall.Kill(-p.pid, sig) // it fails only if all have ended
	}
}

// Done returns a channel that is closed when the process has ended and all its output was read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns why the process has ended, or is being killed; nil while it runs.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

// Kill kills the process, because it has not answered in time, and returns when it has ended.
func (p *Process) Kill(what string) error {
	p.fail(failuref(reasonTimeout, "%s has not %s in time, and was killed", p.name, what))
	<-p.done
	return p.Err()
}

// Refuse kills the process for a violation of the protocol, and returns when it has ended.
func (p *Process) Refuse(violation error) error {
	p.fail(fmt.Errorf("%s: %w", p.name, violation))
	<-p.done
	return p.Err()
}

// Write writes a line to the input of the process. When ctx ends before, the line may be incomplete, and the process is of no use
// any more.
func (p *Process) Write(ctx context.Context, line []byte) error {
	p.write.Lock()
	defer p.write.Unlock()
	undo := context.AfterFunc(ctx, func() { _ = p.stdin.SetWriteDeadline(time.Unix(1, 0)) })
	defer undo()
	_, err := p.stdin.Write(line)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		select { // a process that ends closes its input shortly before
		case <-p.done:
		case <-time.After(closedPause):
			p.fail(failuref(reasonProtocol, "%s has closed its input and has not ended", p.name))
			<-p.done
		}
		return p.Err()
	case p.Err() != nil:
		<-p.done
		return p.Err()
	}
	return fmt.Errorf("cannot write to %s: %w", p.name, err)
}

// Stop ends the input of the process, waits until it has ended, and kills it after stop_timeout or when ctx ends. It returns an error
// if the process was killed, or has ended with another status than 0.
func (p *Process) Stop(ctx context.Context) error { return p.end(ctx, nil) }

// StopSource is like Stop for a source, which may be waiting for anything: it gets SIGTERM soon after the end of its input.
func (p *Process) StopSource(ctx context.Context) error {
	t := time.NewTimer(termPause)
	defer t.Stop()
	return p.end(ctx, t.C)
}

// termPause is how long a source may take to notice the end of its input.
const termPause = 250 * time.Millisecond

func (p *Process) end(ctx context.Context, terminate <-chan time.Time) error {
	p.mu.Lock()
	stopping := p.reason == nil
	if stopping {
		p.reason = &failure{reasonStopped, errStopped}
	}
	p.mu.Unlock()
	_ = p.stdin.Close()
	t := time.NewTimer(p.stop)
	defer t.Stop()
	killed, terminated := false, false
	for waiting := true; waiting; {
		select {
		case <-terminate:
			p.signal(syscall.SIGTERM)
			terminated = true
			continue
		case <-p.done:
		case <-t.C:
			killed = true
		case <-ctx.Done():
			killed = true
		}
		waiting = false
	}
	p.signal(syscall.SIGKILL)
	<-p.done
	switch {
	case killed && stopping:
		return failuref(reasonTimeout, "%s has not ended after the end of its input, and was killed", p.name)
	case stopping && !terminated && p.status != nil:
		return failuref(reasonExit, "%s has ended after the end of its input: %w", p.name, p.status)
	}
	return nil
}

var errStopped = errors.New("the program was stopped")

// pipes are the pipes of a process.
type pipes struct {
	all []pipe
	err error
}

type pipe struct{ r, w *os.File }

func (p *pipes) make() pipe {
	if p.err != nil {
		return pipe{}
	}
	r, w, err := os.Pipe()
	if p.err = err; err == nil {
		p.all = append(p.all, pipe{r, w})
	}
	return pipe{r, w}
}

func (p *pipes) close() {
	for _, f := range p.all {
		_ = f.r.Close()
		_ = f.w.Close()
	}
}
