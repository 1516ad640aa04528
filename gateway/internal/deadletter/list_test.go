package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"eventgateway/gateway/event"
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
		l.add(e, Failure{Component: "sink shop", Err: errors.New("refused"), Attempts: 1})
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
		if got := letters[i].Event(); !reflect.DeepEqual(got, e) || letters[i].Number != uint64(i+1) {
			t.Errorf("letter %d: %+v, want %+v", letters[i].Number, got, e)
		}
	}
}
