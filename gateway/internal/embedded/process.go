package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// process is the process of a server.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // of Wait; set before done is closed

	mu   sync.Mutex
	tail []string // the last lines of its output, for errors
}

// launch starts cmd and waits until a line of its output contains ready. On Linux the kernel
// sends it deathSignal when this process ends, also after kill -9.
func launch(ctx context.Context, name string, cmd *exec.Cmd, ready string, deathSignal syscall.Signal) (*process, error) {
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // Ctrl-C must not reach it: the gateway stops it
	setDeathSignal(cmd.SysProcAttr, deathSignal)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	isReady := make(chan struct{})
	go p.read(out, ready, isReady)
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the thread that forks ends.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		in.Close()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	select {
	case <-isReady:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended before it was ready: %w\n%s", name, p.err, p.lastLines())
	case <-ctx.Done():
		p.kill()
		return nil, fmt.Errorf("%s did not become ready: %w\n%s", name, ctx.Err(), p.lastLines())
	}
}

func (p *process) read(out io.Reader, ready string, isReady chan struct{}) {
	lines := bufio.NewScanner(out)
	for found := false; lines.Scan(); {
		line := lines.Text()
		p.mu.Lock()
		p.tail = append(p.tail, line)
		p.tail = p.tail[max(0, len(p.tail)-10):]
		p.mu.Unlock()
		if !found && strings.Contains(line, ready) {
			found = true
			close(isReady)
		}
	}
	_, _ = io.Copy(io.Discard, out) // after a line too long for the scanner, the server must still be able to write
}

func (p *process) lastLines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail, "\n")
}

// stop sends sig and waits for the end of the process. It kills the process when ctx ends.
func (p *process) stop(ctx context.Context, sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, syscall.ESRCH) && !strings.Contains(err.Error(), "already finished") {
		return fmt.Errorf("cannot stop %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("%s did not stop in time and was killed: %w", p.name, ctx.Err())
	}
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // the whole group; it fails only if all have ended
	<-p.done
}
