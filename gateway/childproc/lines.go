package childproc

import (
	"bufio"
	"errors"
	"io"
	"os"
	"time"
)

// readBuffer is the size of the buffer between the pipe and the lines, in bytes.
const readBuffer = 64 << 10

// lineReader reads lines of bounded length from a pipe.
type lineReader struct {
	r    *bufio.Reader
	max  int
	long []byte // a line that is longer than the buffer
}

func newLineReader(from io.Reader, longest int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(from, readBuffer), max: longest}
}

// next returns the next line, without its end. It is valid until the next call. A last line without an end is no line.
func (l *lineReader) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		switch {
		case len(l.long)+len(part) > l.max:
			return nil, failuref(reasonProtocol, "its line is longer than max_line, %d bytes: write shorter lines, or raise max_line", l.max)
		case err == nil && len(l.long) == 0:
			return part[:len(part)-1], nil
		case err == nil:
			l.long = append(l.long, part...)
			return l.long[:len(l.long)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if len(l.long)+len(part) > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		l.long = append(l.long, part...)
	}
}

// nextCut returns the next line like next, but cuts one that is too long, also at the end of the file.
func (l *lineReader) nextCut() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.long = append(l.long, part[:min(len(part), l.max-len(l.long))]...)
		switch {
		case err == nil, err != nil && !errors.Is(err, bufio.ErrBufferFull) && len(l.long) > 0:
			if n := len(l.long); n > 0 && l.long[n-1] == '\n' {
				l.long = l.long[:n-1]
			}
			return l.long, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// drainedPipe reads from a pipe. After the end of the process, it reports the end of the file when it has read nothing for drainPause, or
// maxDrain bytes: a process in another group may have the pipe open.
type drainedPipe struct {
	f    *os.File
	read int // bytes, since the process has ended
}

const (
	drainPause = 100 * time.Millisecond
	maxDrain   = 4 << 20
)

func (d *drainedPipe) Read(b []byte) (int, error) {
	n, err := d.f.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if d.read > maxDrain {
		return n, io.EOF
	}
	// The process has ended: nothing else sets a deadline.
	_ = d.f.SetReadDeadline(time.Now().Add(drainPause))
	n, err = d.f.Read(b)
	d.read += n
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, io.EOF
	}
	_ = d.f.SetReadDeadline(time.Unix(1, 0)) // so that the next call comes here, too
	return n, err
}
