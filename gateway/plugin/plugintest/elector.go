package plugintest

import (
	"context"
	"testing"

	"eventgateway/gateway/plugin"
)

// elects checks a source that is an Elector.
func elects(t *testing.T, h SourceHarness) {
	candidate := func() plugin.Elector {
		e, ok := build(t, h.Type, h.Reachable, Env(t)).(plugin.Elector)
		if !ok {
			t.Fatal("the type has the trait Elects, and its source is no plugin.Elector")
		}
		return e
	}
	campaign := func(ctx context.Context, name string, standby func(string)) plugin.Leadership {
		t.Helper()
		var l plugin.Leadership
		if err := within(t, func() (err error) { l, err = candidate().Campaign(ctx, name, 0, standby); return err }); err != nil {
			t.Fatal(err)
		}
		return l
	}
	confirm := func(l plugin.Leadership) error {
		return within(t, func() error { return l.Confirm(t.Context()) })
	}
	nobody := func(string) { t.Error("standby was called although nobody leads") }
	first := campaign(t.Context(), `odd "name" {1}`, nobody)
	if err := confirm(first); err != nil {
		t.Errorf("Confirm: %v", err)
	}
	other := campaign(t.Context(), "another name", nobody)
	other.Resign()

	waiting, won := make(chan struct{}, 1000), make(chan plugin.Leadership, 1)
	go func() {
		l, err := candidate().Campaign(t.Context(), `odd "name" {1}`, 0, func(string) { waiting <- struct{}{} })
		if err != nil {
			t.Errorf("Campaign: %v", err)
		}
		won <- l
	}()
	_ = within(t, func() error { <-waiting; return nil })
	select {
	case <-won:
		t.Fatal("two lead at the same time")
	default:
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := candidate().Campaign(ctx, `odd "name" {1}`, 0, func(string) { cancel() })
		gaveUp <- err
	}()
	if err := within(t, func() error { return <-gaveUp }); err == nil {
		t.Error("Campaign returned nil when ctx ended")
	}
	first.Resign()
	var second plugin.Leadership
	_ = within(t, func() error { second = <-won; return nil })
	if err := confirm(second); err != nil {
		t.Errorf("Confirm of the second leader: %v", err)
	}
	if second.Term() <= first.Term() || first.Term() <= 0 {
		t.Errorf("term %d after %d", second.Term(), first.Term())
	}
	if err := confirm(first); err == nil {
		t.Error("the first leader is still confirmed")
	}
	second.Resign()
	if l, err := candidate().Campaign(t.Context(), "raised", second.Term()+1000, nobody); err != nil || l.Term() <= second.Term()+1000 {
		t.Errorf("above %d: term %v, %v", second.Term()+1000, l, err)
	} else {
		l.Resign()
	}
	third := campaign(t.Context(), `odd "name" {1}`, nobody)
	h.Unseat(t)
	if err := confirm(third); err == nil {
		t.Error("a leader whose lock is gone is confirmed")
	}
	third.Resign()
}
