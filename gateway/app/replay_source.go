package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/plugin"
)

const (
	replayName = "replay"
	// maxLine bounds a line in bytes: a payload of 64 MiB in Base64, and the rest.
	maxLine = 96 << 20
)

// replaySource is the source of `gateway replay`. It emits each event of what it reads once.
type replaySource struct {
	read     func(emit func(at string, e *event.Event) error, skip func(at string)) error
	done     func()        // stops the router
	progress chan struct{} // signaled when an event is settled

	mu             sync.Mutex
	outstanding    int
	delivered      int
	failed         int
	firstFailed    string // its place: file:line
	firstError     error
	malformed      int
	firstMalformed string
	complete       bool
	err            error
}

func (s *replaySource) spec() router.SourceSpec {
	t := plugin.NewSource("file-lines", "Events of files.", func() struct{} { return struct{}{} },
		func(struct{}, plugin.Env) (plugin.Source, error) { return s, nil }).With(plugin.Replays)
	return router.SourceSpec{Name: replayName, Type: t, Options: t.Defaults()}
}

// Run is part of [plugin.Source]. It emits all events, waits until they are settled, and
// stops the router. It does so after an error, too: a file is not read again.
func (s *replaySource) Run(ctx context.Context, out plugin.Output) error {
	defer s.done()
	out.Ready()
	emit := func(at string, e *event.Event) error {
		return out.Emit(ctx, event.Batch{Events: []*event.Event{removeDeadLetterAttrs(e)}, Ack: s.track(at)})
	}
	if err := s.read(emit, s.skip); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = plugin.UnlessDone(ctx, err)
		return s.err
	}
	for s.remaining() > 0 {
		select {
		case <-s.progress:
		case <-ctx.Done():
			return nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = true
	return nil
}

// readFile emits the events of one file, up to its present size: the sink may append its
// dead letters to the same file. It calls skip with the place of a line that is no event.
func readFile(file string, emit func(at string, e *event.Event) error, skip func(at string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(io.LimitReader(f, info.Size()))
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		at := fmt.Sprintf("%s:%d", file, n)
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e, err := event.ParseLine(lines.Bytes())
		if err != nil {
			skip(at)
			continue
		}
		if err := emit(at, e); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%s: a line has more than %d MiB", file, maxLine>>20)
	}
	return lines.Err()
}

// removeDeadLetterAttrs removes the attributes of a dead letter from e, and returns e.
func removeDeadLetterAttrs(e *event.Event) *event.Event {
	var attrs []event.Attr
	for _, a := range e.Attrs {
		if !strings.HasPrefix(a.Name, plugin.DeadLetterPrefix) {
			attrs = append(attrs, a)
		}
	}
	e.Attrs = attrs
	return e
}

func (s *replaySource) skip(at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.malformed++; s.malformed == 1 {
		s.firstMalformed = at
	}
}

// replayedEvent is an event that was emitted. It owns its Ack: a nacked event is not redelivered, so
// later events of its key need not be redelivered either.
type replayedEvent struct {
	ack settle.Ack
	of  *replaySource
	at  string // its place
}

// track counts an event as outstanding, and returns its Ack.
func (s *replaySource) track(at string) *settle.Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outstanding++
	l := &replayedEvent{of: s, at: at}
	l.ack.Init(l, nil)
	return &l.ack
}

// Settled is part of [settle.Owner].
func (l *replayedEvent) Settled(err error) {
	s := l.of
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outstanding--
	if err == nil {
		s.delivered++
	} else if s.failed++; s.failed == 1 {
		s.firstFailed, s.firstError = l.at, err
	}
	select {
	case s.progress <- struct{}{}:
	default:
	}
}

// AttemptFailed is part of [settle.Owner].
func (l *replayedEvent) AttemptFailed(int, time.Time) {}

func (s *replaySource) remaining() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outstanding
}
