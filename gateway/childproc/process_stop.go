package childproc

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// Stop ends the input of the process, waits until it has ended, and kills it after stop_timeout or when ctx ends. It returns an error
// if the process was killed, or has ended with another status than 0.
func (p *Process) Stop(ctx context.Context) error { return p.end(ctx, nil) }

// StopSource is like Stop for a source, which may not notice the end of its input: it gets SIGTERM soon after that.
func (p *Process) StopSource(ctx context.Context) error {
	t := time.NewTimer(termPause)
	defer t.Stop()
	return p.end(ctx, t.C)
}

// termPause is how long a source may take to notice the end of its input, before it gets SIGTERM.
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
