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

// Pipes is what was read from pipes, by their paths: of `-c <(...)` and `-c /dev/stdin`,
// and of files that a password manager serves. A pipe gives what is in it once, so it is
// read at the start only, and a reload takes that again.
type Pipes map[string][]byte

// pipeWait bounds how long the pipes may take together.
const pipeWait = 5 * time.Second

// ReadPipes reads those of paths that are pipes, each up to its end and up to the size
// that a configuration file may have. Its error names the path.
func ReadPipes(paths ...string) (Pipes, error) {
	p, end := Pipes{}, time.Now().Add(pipeWait)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || info.Mode()&fs.ModeNamedPipe == 0 || p[path] != nil {
			continue // what is wrong is told when it is read as a file
		}
		text, err := readPipe(path, end)
		if err != nil {
			return nil, fmt.Errorf("%s: cannot be read: %w", path, err)
		}
		p[path] = text
	}
	return p, nil
}

// readPipe reads a pipe up to its end, or to a time.
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
		time.Sleep(10 * time.Millisecond) // its writer has not come yet: that cannot be waited for
	}
}

// Read returns the content of a file that a configuration consists of, or of a pipe that was read
// at the start, unless a file has taken its place. Its errors tell what is wrong, without the path.
func (p Pipes) Read(path string) ([]byte, error) {
	if text, ok := p[path]; ok {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return text, nil
		}
	}
	return options.ReadFile(path, maxFile)
}
