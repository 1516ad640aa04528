package websocket

import (
	"fmt"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// waitingTask is a task that runs until a topic has the messages up to an offset.
type waitingTask struct {
	topic *topic
	until uint64
	runs  int
	done  chan struct{}
}

// busyTask is a task that takes the whole turn, until stop is closed.
type busyTask struct {
	runs *int
	stop chan struct{}
}

func (b *busyTask) run(_ *feeder, begin time.Time) bool {
	*b.runs++
	for time.Since(begin) <= turnTime {
	}
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

// watchTask notes how many turns another task had when a client has joined.
type watchTask struct {
	joining *joining
	runs    *int
	then    int
	noted   chan struct{}
}

func (w *watchTask) run(*feeder, time.Time) bool {
	select {
	case <-w.joining.done:
		w.then = *w.runs
		close(w.noted)
		return true
	default:
		return false
	}
}

// TestResumesOfOthersDelayOneTurn: a client that resumes, with rights or with a filter, waits for one turn of each other address
// in a round. The number of clients of that address that read a long history does not matter.
func TestResumesOfOthersDelayOneTurn(t *testing.T) {
	const busy, past = 300, 10
	for number, s := range map[int]subscription{rightsFeeder: {rights: rightsFrom(t, "n >= 0 && claims.sub != nil", map[string]any{"sub": "a"}), protocol: true}, filterFeeder: {filter: filterFrom(t, "n >= 0"), protocol: true}} {
		h, _, _ := filterHub(t, "n == 0")
		h.write(orders(0, past))
		top, _, err := h.join(testenv.Context(t), "a", s, resumePoint{})
		if err != nil {
			t.Fatal(err)
		}
		f, runs, stop := h.feeders[number], 0, make(chan struct{})
		j := &joining{subscription: s, address: "a", from: resumePoint{given: true, epoch: h.epochOf(top), offset: 1}, done: make(chan struct{})}
		w := &watchTask{joining: j, runs: &runs, noted: make(chan struct{})}
		f.ask(func() {
			for range busy {
				f.turns.add("b", &busyTask{&runs, stop})
			}
			f.join(j)
			f.turns.add("c", w)
		})
		<-w.noted
		close(stop)
		if w.then > busy/3 { // on a slow machine it needs several turns
			t.Errorf("feeder %d: the other address had %d turns before", number, w.then)
		}
		if !j.at.recovered || len(j.at.position.texts()) != past-1 {
			t.Errorf("it begins at %+v", j.at)
		}
		h.releaseTopic(top, "a")
		h.releaseTopic(top, "a")
		h.feeding.Wait()
	}
}

func (w *waitingTask) run(*feeder, time.Time) bool {
	w.runs++
	if w.topic.complete() < w.until {
		return false
	}
	close(w.done)
	return true
}

// TestTurnsOfOthersDelayFewRounds: a topic gets the events of several blocks after one turn of each other address.
func TestTurnsOfOthersDelayFewRounds(t *testing.T) {
	const blocks = 20
	ids := "1" // one in each block
	for i := 1; i < blocks; i++ {
		ids += fmt.Sprint(", ", i*blockEvents+1)
	}
	h, f, s := filterHub(t, "n in ["+ids+"]")
	topic, _, err := h.join(testenv.Context(t), "a", s, resumePoint{})
	if err != nil {
		t.Fatal(err)
	}
	other := &waitingTask{topic: topic, until: blocks * blockEvents, done: make(chan struct{})}
	f.ask(func() {
		f.turns.add("b", other)
		h.write(orders(0, blocks*blockEvents))
	})
	<-other.done
	if other.runs > blocks/2 {
		t.Errorf("the other address had %d turns before the topic had all events", other.runs)
	}
	h.releaseTopic(topic, "a")
	h.feeding.Wait()
}
