package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"eventgateway/gateway/options"
)

// Pipes holds the content of pipes by their paths: of `-c <(...)` and `-c /dev/stdin`, and of
// files that a password manager serves. A pipe can be read once, so it is read at the start,
// and a reload uses the same content.
type Pipes map[string][]byte

// pipeWait bounds the reading of all pipes together.
const pipeWait = 5 * time.Second

// ReadPipes reads the pipes among paths, within 5 seconds. Each must end, and be no larger than
// a configuration file may be. The error names the path.
func ReadPipes(paths ...string) (Pipes, error) {
	p, end := Pipes{}, time.Now().Add(pipeWait)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || info.Mode()&fs.ModeNamedPipe == 0 || p[path] != nil {
			continue // reading it as a file returns the error
		}
		text, err := readPipe(path, end)
		if err != nil {
			return nil, fmt.Errorf("%s: cannot be read: %w", path, err)
		}
		p[path] = text
	}
	return p, nil
}

// readPipe reads a pipe to its end, which must come before a time.
func readPipe(path string, end time.Time) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // else it blocks until there is a writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.SetReadDeadline(end); err != nil {
		return nil, err
	}
	for {
		text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && len(text) == 0:
			return nil, fmt.Errorf("the pipe gave nothing within %v", pipeWait)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, fmt.Errorf("the pipe was not written to its end within %v", pipeWait)
		case err != nil:
			return nil, err
		case len(text) > maxFile:
			return nil, fmt.Errorf("it has more than %d KiB: make it smaller", maxFile>>10)
		case len(text) > 0:
			return text, nil
		}
		time.Sleep(10 * time.Millisecond) // there is no writer yet, which only polling finds out
	}
}

// Read returns the content of a configuration file, or of a pipe that was read at the start, unless
// a regular file has replaced it. The error does not contain the path.
func (p Pipes) Read(path string) ([]byte, error) {
	if text, ok := p[path]; ok {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return text, nil
		}
	}
	return options.ReadFile(path, maxFile)
}
