package conformance

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// answerRules are the rules for programs that answer batches.
var answerRules = []rule{
	{"it answers each batch once, and writes nothing else", (*run).checkAnswers},
	{"it answers any event, and refuses single ones alone", (*run).checkAnyEvent},
	{"it ignores messages that it does not know", (*run).checkUnknown},
}

var (
	sinkRules      = append(answerRules[:len(answerRules):len(answerRules)], rule{"it delivers usual events", (*run).checkDelivers})
	transformRules = append(answerRules[:len(answerRules):len(answerRules)], rule{"the same events become the same", (*run).checkSame})
)

// silence is how long a check waits for lines that the program must not write.
const silence = 200 * time.Millisecond

// events returns n usual events.
func events(n int) (out []*event.Event) {
	for i := range n {
		out = append(out, &event.Event{
			ID: fmt.Sprint("id-", i), Key: fmt.Sprint("key-", i%3), Channel: "orders", Source: "conformance", Time: time.Unix(1_700_000_000, 0),
			Attrs: []event.Attr{{Name: "operation", Value: "INSERT"}}, Data: fmt.Appendf(nil, `{"operation":"INSERT","order":{"id":%d,"status":"näw","amount":1.50}}`, i),
		})
	}
	return out
}

// dialogue returns an open dialogue; nil after an error.
func (r *run) dialogue() *childproc.Dialogue {
	d := childproc.NewDialogue(r.program())
	ctx, cancel := r.timeout()
	defer cancel()
	if err := d.Open(ctx); err != nil {
		r.errorf("%v", err)
		return nil
	}
	return d
}

// end closes a dialogue.
func (r *run) end(d *childproc.Dialogue) {
	if d.Err() != nil { // reported before
		_ = d.Close(r.ctx)
	} else if err := d.Close(r.ctx); err != nil {
		r.errorf("%v", err)
	}
}

// ask sends one line, and checks the answer. It reports false where the process has ended.
func (r *run) ask(d *childproc.Dialogue, batch []*event.Event) (m childproc.Message, failed map[int]error, ok bool) {
	n := d.Encode(batch, func(*event.Event) bool { return false })
	ctx, cancel := r.timeout()
	defer cancel()
	m, err := d.Exchange(ctx)
	if err != nil {
		r.errorf("of a batch of %d: %v", n, err)
		return m, nil, false
	}
	if failed, err = m.Failures(n); err == nil && r.subject.Kind == plugin.KindTransform {
		_, err = m.Outputs(batch[:n])
	}
	if err != nil {
		r.errorf("of a batch of %d: %v", n, d.Refuse(err))
		return m, nil, false
	}
	return m, failed, true
}

func (r *run) checkAnswers() {
	d := r.dialogue()
	if d == nil {
		return
	}
	defer r.end(d)
	for _, n := range []int{1, 2, 10, 100, 1} {
		if _, _, ok := r.ask(d, events(n)); !ok {
			return
		}
	}
	time.Sleep(silence)
	if err := d.Err(); err != nil {
		r.errorf("after the last answer: %v", err)
	}
}

// unusual are payloads at which a program must not end.
var unusual = map[string][]byte{
	"empty": {}, "no JSON": []byte("text"), "not UTF-8": {0xff, 0xfe}, "control characters": []byte("\x00\x01\n\r\t\"\\\u2028"), "null": []byte("null"), "a list": []byte("[]"),
	"large": []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`),
}

func (r *run) checkAnyEvent() {
	d := r.dialogue()
	if d == nil {
		return
	}
	defer r.end(d)
	if _, _, ok := r.ask(d, []*event.Event{{Data: []byte("{}")}}); !ok {
		r.errorf("the event has no id, key, channel and attributes")
		return
	}
	for what, payload := range unusual {
		good := events(3)
		good[1] = &event.Event{ID: "unusual", Data: payload}
		m, failed, ok := r.ask(d, good)
		if !ok {
			r.errorf("the payload of an event was %s", what)
			return
		}
		if m.Nack != nil && m.Permanent {
			r.errorf("a batch with an event whose payload is %s is refused as a whole: name the event in failed", what)
		}
		_, alone, ok := r.ask(d, []*event.Event{events(3)[0]})
		if ok && len(alone) == 0 && failed[0] != nil {
			r.errorf("an event that it takes alone is refused beside one whose payload is %s: %v", what, failed[0])
		}
	}
}

func (r *run) checkUnknown() {
	d := r.dialogue()
	if d == nil {
		return
	}
	defer r.end(d)
	ctx, cancel := r.timeout()
	defer cancel()
	for _, line := range []string{`{"gap":"events may be missing","source":"conformance"}`, `{"of_a_later_version":{"a":[1]}}`} {
		if err := d.Send(ctx, []byte(line+"\n")); err != nil {
			r.errorf("%s: %v", line, err)
			return
		}
	}
	if _, _, ok := r.ask(d, events(1)); !ok {
		r.errorf("it got a gap, and a message that it does not know: ignore both")
	}
}

func (r *run) checkDelivers() {
	d := r.dialogue()
	if d == nil {
		return
	}
	defer r.end(d)
	m, failed, ok := r.ask(d, events(5))
	switch {
	case ok && m.Nack != nil:
		r.errorf("a batch is nacked: %s", m.Error)
	case len(failed) > 0:
		r.errorf("%d of 5 events are refused: %v", len(failed), m.Failed[0].Error)
	}
}

func (r *run) checkSame() {
	if r.subject.Stateful {
		r.skip("the program is stateful")
		return
	}
	d := r.dialogue()
	if d == nil {
		return
	}
	defer r.end(d)
	first, _, ok := r.ask(d, events(5))
	if !ok {
		return
	}
	again, _, ok := r.ask(d, events(5))
	first.Ack, again.Ack = nil, nil
	if ok && !reflect.DeepEqual(first, again) {
		r.errorf("the same batch has another result the second time: make the result depend only on the batch, or declare stateful")
	}
}
