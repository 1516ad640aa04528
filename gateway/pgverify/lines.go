package pgverify

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"eventgateway/gateway/rawjson"
)

// lineReader reads lines of JSON. The last line of a file may be incomplete, because it is being written.
type lineReader struct {
	name   string
	in     *bufio.Reader
	number int
	line   []byte // what was read of the next line
}

// newLineReader returns a reader of lines, which are compressed with gzip if the first bytes say so.
func newLineReader(name string, in io.Reader) (r *lineReader, compressed bool, err error) {
	r = &lineReader{name: name, in: bufio.NewReaderSize(in, 1<<18)}
	if head, err := r.in.Peek(2); err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	} else if !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return r, false, nil
	}
	unzipped, err := gzip.NewReader(r.in)
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", name, err)
	}
	r.in = bufio.NewReaderSize(unzipped, 1<<18)
	return r, true, nil
}

// read calls f with each further line. With ends, nothing is appended to the input any more, so that an incomplete line at its end is
// a line, too.
func (r *lineReader) read(ctx context.Context, ends bool, f func(item) error) error {
	for ctx.Err() == nil {
		part, err := r.in.ReadSlice('\n')
		r.line = append(r.line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("%s: %w", r.name, err)
		case err != nil && (len(r.line) == 0 || !ends && !rawjson.Valid(r.line)): // a line without an end is complete if it is JSON
			return nil
		}
		r.number++
		if line := bytes.TrimSpace(r.line); len(line) > 0 {
			if err := f(item{line: line, location: r.location}); err != nil {
				return err
			}
		}
		r.line = r.line[:0]
		if err != nil {
			return nil
		}
	}
	return context.Cause(ctx)
}

func (r *lineReader) location() string { return fmt.Sprintf("%s:%d", r.name, r.number) }
