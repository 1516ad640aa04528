package exec

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// maxSearch bounds the time that processes which end or hang may take during one call of ask. It is checked after each event that has
// failed, so each call makes progress.
const maxSearch = time.Minute

// ask returns the results of events. If the process ends during several events, it sends each of them alone. After maxSearch the
// results of the other events are errors marked by [plugin.Unavailable].
func (t *transform) ask(ctx context.Context, events []*event.Event) []result {
	results := make([]result, len(events))
	alone := 0               // events before this index are sent alone
	var search time.Duration // that lines without an answer have taken, with the starts and pauses before them
	for from, tries := 0, 0; from < len(events); {
		begun := time.Now()
		if err := t.dialogue.Open(ctx); err != nil {
			fail(results[from:], err)
			return results
		}
		n := t.dialogue.Encode(events[from:min(from+t.opts.MaxBatch, len(events))], func(*event.Event) bool { return from < alone })
		if n == 0 {
			results[from].err = fmt.Errorf("the event is longer than max_line, %d bytes: raise max_line", t.dialogue.Program().MaxLine())
			from++
			continue
		}
		err := t.exchange(ctx, events[from:from+n], results[from:from+n])
		switch {
		case err == nil:
			t.dialogue.Program().Progress()
		case ctx.Err() != nil || !childproc.Crashed(err):
			fail(results[from:], plugin.Unavailable(err))
			return results
		default:
			t.dialogue.Program().Suspect()
			search += time.Since(begun)
			alone = max(alone, from+n)
			if n > 1 {
				continue
			}
			if tries++; tries < t.opts.MaxDeliveries {
				continue
			}
			results[from].err = fmt.Errorf("the program has failed on the event %d times: %w", tries, err)
			if search > t.maxSearch {
				err = fmt.Errorf("the program has ended or hung for %v on events before this one: mend the program, or lower timeout: %w", search.Round(time.Second), err)
				fail(results[from+1:], plugin.Unavailable(err))
				return results
			}
		}
		from, tries = from+n, 0
	}
	return results
}

// fail sets the error of all results.
func fail(results []result, err error) {
	for i := range results {
		results[i] = result{err: err}
	}
}

// exchange sends the events of one line and sets their results. After an error the process has ended.
func (t *transform) exchange(ctx context.Context, events []*event.Event, results []result) error {
	asking, cancel := context.WithTimeout(ctx, t.opts.Timeout.D())
	defer cancel()
	m, err := t.dialogue.Exchange(asking)
	if err != nil {
		return err
	}
	if m.Nack != nil {
		fail(results, m.Err())
		return nil
	}
	if err := setResults(&m, events, results); err != nil {
		fail(results, nil)
		return t.dialogue.Refuse(err)
	}
	return nil
}

// setResults sets the results from an answer. Its error is a violation of the protocol.
func setResults(m *childproc.Message, events []*event.Event, results []result) error {
	failures, err := m.Failures(len(events))
	if err != nil {
		return err
	}
	each, err := m.Outputs(events)
	if err != nil {
		return err
	}
	for i, made := range each {
		results[i].events = made
	}
	for i, err := range failures {
		results[i] = result{err: err}
	}
	return nil
}
