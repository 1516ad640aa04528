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
