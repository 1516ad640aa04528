package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
)

var sourceRules = []rule{
	{"it emits events, in batches whose numbers rise", (*run).checkEmits},
	{"it ignores messages that it does not know, and its input", (*run).checkIgnores},
	{"after a kill -9 it resumes behind the state that it gets", (*run).checkResumes},
	{"it ends after a nack and the end of its input", (*run).checkNack},
}

// emitted is a batch that a source has emitted.
type emitted struct {
	seq    uint64
	state  json.RawMessage
	events []string // identity of each
}

// reading is a source that runs.
type reading struct {
	process *childproc.Process
	batches chan emitted
	quit    chan struct{} // closed when further batches are ignored
	over    sync.Once
}

func (s *reading) ignore() { s.over.Do(func() { close(s.quit) }) }

// read starts the source with a state, which may be nil.
func (r *run) read(state json.RawMessage) *reading {
	s := &reading{batches: make(chan emitted), quit: make(chan struct{})}
	last := uint64(0)
	handle := func(line []byte) error {
		m, err := childproc.Parse(line)
		switch {
		case err != nil:
			return err
		case m.Emit == nil && m.Gap == nil && m.Warning == nil:
			return childproc.Violation("a source has answered a batch: emit batches")
		case m.Emit == nil:
			return nil
		case *m.Emit <= last:
			return childproc.Violation("batch %d comes after batch %d: number batches from 1 on, each with a higher number", *m.Emit, last)
		}
		last = *m.Emit
		b := emitted{seq: last, state: m.State}
		for i := range m.Events {
			e := &event.Event{}
			if payload, err := m.Events[i].Apply(e); err != nil || !payload {
				return childproc.Violation("the event %d of batch %d has no data", i, last)
			}
			b.events = append(b.events, fmt.Sprintf("%s %s", e.ID, e.Data))
		}
		select {
		case s.batches <- b:
		case <-s.quit:
		}
		return nil
	}
	extra := []childproc.Extra{{Name: "credit", JSON: []byte("1000")}}
	if state != nil {
		extra = append(extra, childproc.Extra{Name: "state", JSON: state})
	}
	ctx, cancel := r.timeout()
	defer cancel()
	var err error
	if s.process, err = r.program().Start(ctx, handle, extra...); err != nil {
		r.errorf("%v", err)
		return nil
	}
	return s
}

var errSilent = errors.New("it emits nothing: give options with which it does")

// next returns the next batch that has events.
func (s *reading) next() (emitted, error) {
	late := time.NewTimer(Timeout)
	defer late.Stop()
	for {
		select {
		case b := <-s.batches:
			if len(b.events) > 0 {
				return b, nil
			}
		case <-s.process.Done():
			return emitted{}, s.process.Err()
		case <-late.C:
			return emitted{}, errSilent
		}
	}
}

// end stops the source.
func (r *run) endReading(s *reading) {
	s.ignore()
	if s.process.Err() != nil { // reported before
		return
	}
	r.stop(s.process)
}

func (r *run) checkEmits() {
	s := r.read(nil)
	if s == nil {
		return
	}
	defer r.endReading(s)
	if _, err := s.next(); err != nil {
		r.errorf("%v", err)
	}
}

func (r *run) checkIgnores() {
	s := r.read(nil)
	if s == nil {
		return
	}
	defer r.endReading(s)
	ctx, cancel := r.timeout()
	defer cancel()
	if err := s.process.Write(ctx, []byte(`{"of_a_later_version":1}`+"\n"+`{"ack":0,"credit":5}`+"\n")); err != nil {
		r.errorf("%v", err)
		return
	}
	if _, err := s.next(); err != nil && !errors.Is(err, errSilent) {
		r.errorf("%v", err)
	}
}

func (r *run) checkResumes() {
	if !r.subject.Acks {
		r.skip("the source does not declare acks")
		return
	}
	s := r.read(nil)
	if s == nil {
		return
	}
	defer r.endReading(s)
	first, err := s.next()
	if err != nil {
		r.errorf("%v", err)
		return
	}
	if first.state == nil {
		r.skip("the batches have no state: the source resumes by the acks that it reads, which this cannot check")
		return
	}
	second, err := s.next()
	if err != nil {
		r.skip("there is no second batch")
		return
	}
	s.ignore()
	_ = s.process.Kill("been spared")
	again := r.read(first.state)
	if again == nil {
		return
	}
	defer r.endReading(again)
	resumed, err := again.next()
	switch {
	case err != nil:
		r.errorf("with the state of batch %d: %v", first.seq, err)
	case resumed.events[0] != second.events[0]:
		r.errorf("with the state of batch %d it begins with the event %.100q: it began the next batch with %.100q", first.seq, resumed.events[0], second.events[0])
	}
}

func (r *run) checkNack() {
	s := r.read(nil)
	if s == nil {
		return
	}
	defer r.endReading(s)
	first, err := s.next()
	if err != nil {
		r.skip("it emits nothing")
		return
	}
	ctx, cancel := r.timeout()
	defer cancel()
	if err := s.process.Write(ctx, childproc.AppendNack(nil, first.seq, errors.New("refused by the check"))); err != nil {
		r.errorf("%v", err)
	}
}
