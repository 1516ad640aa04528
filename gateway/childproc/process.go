package childproc

import (
	"errors"
	"fmt"
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
	reaped bool  // its ID may belong to another process
	reason error // why it has ended, or was killed
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

// wait waits for the end of the process, and kills the other processes of its group.
func (p *Process) wait(cmd *exec.Cmd) {
	unreaped := awaitExit(p.pid)
	if unreaped {
		p.signal(syscall.SIGKILL)
	}
	p.mu.Lock()
	if unreaped { // it has ended, so this does not block
		p.reaped = true
		defer p.mu.Unlock()
	} else {
		p.mu.Unlock()
	}
	err := cmd.Wait()
	if !unreaped {
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

// fail kills the process for a reason, unless that is nil. The first reason is the one that Err returns.
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

// Err returns why the process has ended, or was killed; nil while it runs.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

// Kill kills the process, because it has not done what in time, and returns when it has ended. what is a participle, such as
// "answered a batch".
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
