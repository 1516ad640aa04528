package letters

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// watchedStore calls get before it gets a letter.
type watchedStore struct {
	*Store
	get func(number uint64)
}

func (w *watchedStore) Get(number uint64) (Letter, error) {
	w.get(number)
	return w.Store.Get(number)
}

// replayAll replays all letters of a collection, which are delivered at once, and returns the state of the replay.
func replayAll(t *testing.T, r *Replays) ReplayState {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	defer func() {
		cancel()
		running.Wait()
		r.Close()
	}()
	s, err := r.Start(ReplayRequest{})
	for err != nil && strings.Contains(err.Error(), "is starting") {
		runtime.Gosched()
		s, err = r.Start(ReplayRequest{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err = r.Wait(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	return s
}

func deliverAll(_ context.Context, _ *Letter, _ string, settled func(error)) error {
	settled(nil)
	return nil
}

// TestReplayMarksLettersBeforeItReadsThem proves that a letter which is read is under way, so that no replay sends it twice. A letter that is gone is
// not counted.
func TestReplayMarksLettersBeforeItReadsThem(t *testing.T) {
	w := &watchedStore{Store: openStore(t, Options{Path: t.TempDir()})}
	w.add(t, numbered(1), numbered(2), numbered(3))
	r := NewReplays(w, deliverAll)
	w.get = func(number uint64) {
		r.mu.Lock()
		marked := r.queued[number]
		r.mu.Unlock()
		if !marked {
			t.Errorf("letter %d is read, and is not under way", number)
		}
		if number == 2 {
			if _, err := w.Remove([]uint64{2}); err != nil {
				t.Error(err)
			}
		}
	}
	if s := replayAll(t, r); s.Delivered != 2 || s.Sent != 2 || s.Failed != 0 || w.Status().Held != 0 || len(r.queued) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestReplayReportsLettersThatItCannotRead proves that such a letter has failed, and stays. Only its number was read to select it.
func TestReplayReportsLettersThatItCannotRead(t *testing.T) {
	s := openStore(t, Options{Path: t.TempDir()})
	s.add(t, numbered(1), numbered(2))
	if err := s.segments[0].file.Truncate(s.segments[0].size - 1); err != nil {
		t.Fatal(err)
	}
	r := NewReplays(s, deliverAll)
	state := replayAll(t, r)
	if state.Delivered != 1 || state.Failed != 1 || len(state.Failures) != 1 || state.Failures[0].Number != 2 || !strings.Contains(state.Failures[0].Reason, "read the dead letter 2") || s.Status().Held != 1 || len(r.queued) != 0 {
		t.Errorf("%+v", state)
	}
}
