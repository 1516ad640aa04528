package childproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

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
		case <-time.After(exitPause):
			return failuref(reasonProtocol, "%s has closed its output and has not ended", p.name)
		}
	}
}

// exitPause is how long a process may run after it has closed its input or output.
const exitPause = time.Second

// Write writes a line to the input of the process. If ctx ends before, the line may be incomplete, and the caller must kill the process.
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
		case <-time.After(exitPause):
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
