package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestLetterReturnsItsEvent proves that an event which was parked comes back unchanged from the JSON of its letter, whatever its payload
// is, and that letters are numbered.
func TestLetterReturnsItsEvent(t *testing.T) {
	var l List
	var events []*event.Event
	for i, payload := range []string{"", `{"a":1}`, "\xff\x00", "base64:", "base64:!", "base64:e30=", "text\n"} {
		e := &event.Event{
			ID: fmt.Sprint(i), Source: "s", Channel: "c", Key: "k", Time: time.Unix(int64(i), 5).UTC(), Data: []byte(payload),
			Attrs: []event.Attr{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}},
		}
		events = append(events, e)
		l.add(e, Failure{Component: "sink shop", Err: plugin.Attempt("a1", errors.New("refused")), Attempts: 1})
	}
	latest, total := l.Latest()
	text, err := json.Marshal(latest)
	if err != nil || total != uint64(len(events)) {
		t.Fatalf("%d letters, %v", total, err)
	}
	var letters []Letter
	if err := json.Unmarshal(text, &letters); err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if got := letters[i].Event(); !reflect.DeepEqual(got, e) || letters[i].Number != uint64(i+1) || letters[i].AttemptID != "a1" {
			t.Errorf("letter %d: %+v, want %+v", letters[i].Number, got, e)
		}
	}
}

// TestSealedEventHasTheLastAttempt proves that a dead letter has the ID of the attempt that failed last, and none of an earlier sink.
func TestSealedEventHasTheLastAttempt(t *testing.T) {
	first := Failure{Component: "sink shop", Err: plugin.Attempt("a1", errors.New("refused")), Attempts: 1}.seal(&event.Event{})
	if id, _ := first.Attr(plugin.DeadLetterAttemptID); id != "a1" {
		t.Errorf("attributes %v", first.Attrs)
	}
	second := Failure{Component: "sink box", Err: errors.New("full"), Attempts: 1}.seal(first)
	if id, ok := second.Attr(plugin.DeadLetterAttemptID); ok {
		t.Errorf("the attempt ID %s is that of another sink: %v", id, second.Attrs)
	}
}
