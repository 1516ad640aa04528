package childproc

import (
	"io"
	"log/slog"
	"strings"
	"time"

	"eventgateway/gateway/logsample"
)

const (
	// longestLogLine bounds the logged part of a line of the standard error, in bytes.
	longestLogLine = 4 << 10
	// maxLogRate is how many bytes of the standard error are read in a second. A program that writes more is slowed down.
	maxLogRate = 4 << 20
)

// newLogger returns a function that logs a line of the standard error: at most 100 at once, and 10 per second.
func newLogger(log *slog.Logger) func([]byte) {
	sample := &logsample.Sampler{Interval: 100 * time.Millisecond, Burst: 100}
	return func(line []byte) {
		sample.Log(log, slog.LevelInfo, "program output", "line", strings.ToValidUTF8(string(line), "\uFFFD"))
	}
}

// logLines calls log with each line of the standard error, until its end.
func logLines(from io.Reader, log func([]byte)) error {
	counted := &pacedReader{r: from, since: time.Now()}
	lines := newLineReader(counted, longestLogLine)
	for {
		line, err := lines.nextCut()
		if err != nil {
			return nil
		}
		log(line)
	}
}

// pacedReader reads at most maxLogRate bytes per second.
type pacedReader struct {
	r     io.Reader
	since time.Time
	read  int
}

func (p *pacedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.read += n
	elapsed := time.Since(p.since)
	if elapsed > time.Second {
		p.since, p.read = time.Now(), n
	} else if p.read > maxLogRate {
		time.Sleep(time.Second - elapsed)
	}
	return n, err
}
