package letters

import (
	"encoding/json"
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
		l.Add(letterOf(e))
	}
	latest, err := l.Search(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(latest.Letters)
	if err != nil || len(latest.Letters) != len(events) {
		t.Fatalf("%d letters, %v", len(latest.Letters), err)
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

// letterOf returns a letter of an event.
func letterOf(e *event.Event) Letter {
	l := Letter{
		Time: time.Now(), Component: "sink shop", Place: "sink shop", Reason: "refused", Attempts: 1, AttemptID: "a1",
		Source: e.Source, Channel: e.Channel, Key: e.Key, ID: e.ID, EventTime: e.Time, Data: e.Data,
	}
	l.SetAttrs(e.Attrs)
	return l
}
