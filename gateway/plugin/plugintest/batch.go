package plugintest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// BatchHarness describes the test of one batch transform.
type BatchHarness struct {
	Type plugin.TransformType // made by plugin.NewBatchTransform
	// Cases are windows and expected results. If options have an address of this machine, the suite
	// replaces it by a server that is unavailable, and by one that never answers.
	Cases []BatchCase
	// Stateful is set if the result of a window depends on earlier ones. The suite uses a new
	// instance for each case; if Stateful is not set, it applies each case twice.
	Stateful bool
	// InvalidOptions maps options, in YAML, to the problem that they cause: "options:1:9: fields[0]: ...".
	InvalidOptions map[string]string
	// Example changes the options, in YAML, of the example in README.md before it is
	// run; nil changes none.
	Example func(options string) string
}

// BatchCase is the payloads of one window and the expected result.
type BatchCase struct {
	Name    string
	Options string // in YAML
	By      string
	In      []string
	// Prepare changes the i-th event before it is applied; nil changes none.
	Prepare func(i int, e *event.Event)
	Out     []string
	Error   string // part of the error; "" for none
	// Check checks all but the payload of the i-th event of Out; nil checks nothing.
	Check func(t testing.TB, i int, e *event.Event)
}

// window returns the window of a case: events of [NewEvent] with the IDs id-0, id-1 ...
func (tc BatchCase) window() plugin.Window {
	w := plugin.Window{By: tc.By}
	for i, payload := range tc.In {
		e := NewEvent(payload)
		e.ID = fmt.Sprint("id-", i)
		if tc.Prepare != nil {
			tc.Prepare(i, e)
		}
		w.Events = append(w.Events, e)
	}
	return w
}

// BatchTransform runs the suite on a batch transform.
func BatchTransform(t *testing.T, h BatchHarness) {
	t.Helper()
	runSuite(t, batchRules(h))
}

const (
	ruleBatchType        = "the type was made by plugin.NewBatchTransform"
	ruleBatchCases       = "ApplyBatch emits the expected events of each case"
	ruleBatchUnchanged   = "ApplyBatch changes neither the events nor their bytes"
	ruleBatchEmitted     = "events that ApplyBatch has emitted never change"
	ruleBatchEnds        = "ApplyBatch emits no nil, and nothing after it has returned"
	ruleAnyWindow        = "ApplyBatch handles any window"
	ruleBatchUnavailable = "ApplyBatch returns plugin.Unavailable while its server is unavailable"
)

func batchRules(h BatchHarness) []rule {
	typ, ok := h.Type.AsBatch()
	if !ok {
		return []rule{{ruleBatchType, func(c *check) { c.Errorf("the type is no batch transform: test it with plugintest.Transform") }}}
	}
	s := subject[plugin.BatchTransform]{typ: typ, reachable: h.setFirstOptions, invalidOptions: h.InvalidOptions, use: h.use, tryUse: h.tryUse}
	if h.hasServer() {
		s.unreachable = func(opts any) {
			h.setFirstOptions(opts)
			addresses(opts, func(string) string { return "127.0.0.1:1" })
		}
	}
	rules := []rule{
		{ruleBatchType, h.checkDescription}, {ruleBatchCases, h.checkCases}, {ruleContext, h.checkContext}, {ruleBatchUnchanged, nil}, {ruleBatchEmitted, nil}, {ruleBatchEnds, nil},
		{ruleReuse, h.checkReuse}, {ruleAnyWindow, h.checkAnyWindow}, {ruleBatchUnavailable, h.checkUnavailable}, {ruleExample, h.checkExample},
	}
	return append(rules, commonRules(s)...)
}

func (h BatchHarness) checkDescription(c *check) {
	if err := checkType(h.Type); err != nil {
		c.addFinding(ruleType, "%v", err)
	}
}

// typ returns the type of the batch transform.
func (h BatchHarness) typ() plugin.BatchTransformType {
	typ, _ := h.Type.AsBatch()
	return typ
}

// setFirstOptions sets the options of the first case without an error.
func (h BatchHarness) setFirstOptions(opts any) { h.setOptions(opts, h.firstCase()) }

// firstCase returns the first case without an error, or else the first.
func (h BatchHarness) firstCase() BatchCase {
	for _, c := range h.Cases {
		if c.Error == "" {
			return c
		}
	}
	if len(h.Cases) > 0 {
		return h.Cases[0]
	}
	return BatchCase{In: []string{`{}`}}
}

func (h BatchHarness) setOptions(opts any, tc BatchCase) { setYAML(h.typ(), opts, tc.Options) }

func (h BatchHarness) hasServer() bool { return hasServer(h.Type.Defaults(), h.setFirstOptions) }

func (h BatchHarness) use(c *check, i *instance[plugin.BatchTransform]) {
	for range 3 {
		_, _ = applyBatch(c, i, h.firstCase().window())
	}
}

func (h BatchHarness) tryUse(c *check, i *instance[plugin.BatchTransform]) error {
	if len(h.Cases) == 0 || h.Stateful {
		h.use(c, i)
		return nil
	}
	if text := h.runCase(c, i, h.firstCase()); text != "" {
		return errors.New(text)
	}
	return nil
}

// ApplyBatch calls tr as the router does. It returns the emitted events, and none after an error.
func ApplyBatch(ctx context.Context, tr plugin.BatchTransform, w plugin.Window) (out []*event.Event, err error) {
	if err := tr.ApplyBatch(ctx, w, func(e *event.Event) { out = append(out, e) }); err != nil {
		return nil, err
	}
	return out, nil
}
