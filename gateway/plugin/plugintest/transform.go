package plugintest

import (
	"context"
	"errors"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TransformHarness describes the test of one transform.
type TransformHarness struct {
	Type plugin.TransformType
	// Cases are payloads and expected results. If options have an address of this machine, the suite
	// replaces it by a server that is unavailable, and by one that never answers.
	Cases []TransformCase
	// Stateful is set if the result of an event depends on earlier ones. The suite uses a new
	// instance for each case; if Stateful is not set, it applies each case twice.
	Stateful bool
	// InvalidOptions maps options, in YAML, to the problem that they cause: "options:1:9: fields[0]: ...".
	InvalidOptions map[string]string
	// Example changes the options, in YAML, of the example in README.md before it is
	// run; nil changes none.
	Example func(options string) string
}

// TransformCase is one payload and its expected result.
type TransformCase struct {
	Name    string
	Options string // in YAML
	In      string
	Out     []string
	Error   string // part of the error; "" for none
	// Check checks all but the payload of the i-th event of Out; nil if only the payload may differ
	// from the event that is applied.
	Check func(t testing.TB, i int, e *event.Event)
}

// NewEvent returns the event that the suite applies transforms to, with a payload.
func NewEvent(payload string) *event.Event {
	return &event.Event{
		ID: "id", Source: "source", Channel: "channel", Key: "key", Time: Now(), Data: []byte(payload),
		Attrs: []event.Attr{{Name: "table", Value: "orders"}},
	}
}

// NewTransform builds an instance with options in YAML. The instance is closed when the test ends.
func NewTransform(t testing.TB, typ plugin.TransformType, options string, env plugin.Env) plugin.Transform {
	t.Helper()
	body, err := parse(options)
	if err != nil {
		t.Fatal(err)
	}
	opts, err := decode(nil, typ, body)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := typ.Build(opts, env)
	if err != nil {
		t.Fatal(locate(err, body))
	}
	t.Cleanup(func() {
		if c, ok := tr.(plugin.Closer); ok {
			ctx, cancel := context.WithTimeout(context.Background(), defaultSettings().arrivalTimeout) // t's has ended in a cleanup
			defer cancel()
			if err := c.Close(ctx); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	return tr
}

// Apply calls tr as the router does. It returns the emitted events, and none after an error.
func Apply(ctx context.Context, tr plugin.Transform, e *event.Event) (out []*event.Event, err error) {
	if err := tr.Apply(ctx, e, func(e *event.Event) { out = append(out, e) }); err != nil {
		return nil, err
	}
	return out, nil
}

// Transform runs the suite on a transform.
func Transform(t *testing.T, h TransformHarness) {
	t.Helper()
	runSuite(t, transformRules(h))
}

const (
	ruleCases            = "Apply emits the expected events of each case"
	ruleEventUnchanged   = "Apply changes neither the event nor its bytes"
	ruleEmitted          = "events that Apply has emitted never change"
	ruleEmitEnds         = "Apply emits no nil, and nothing after it has returned"
	ruleReuse            = "an instance can be reused, also after an error"
	ruleApplyAnyEvent    = "Apply handles any event"
	ruleApplyUnavailable = "Apply returns plugin.Unavailable while its server is unavailable"
	ruleExample          = "the examples in README.md are correct"
)

func transformRules(h TransformHarness) []rule {
	s := subject[plugin.Transform]{typ: h.Type, reachable: h.setFirstOptions, invalidOptions: h.InvalidOptions, use: h.use, tryUse: h.tryUse}
	if h.hasServer() {
		s.unreachable = func(opts any) {
			h.setFirstOptions(opts)
			addresses(opts, func(string) string { return "127.0.0.1:1" })
		}
	}
	rules := []rule{
		{ruleCases, h.checkCases}, {ruleContext, h.checkContext}, {ruleEventUnchanged, nil}, {ruleEmitted, nil}, {ruleEmitEnds, nil},
		{ruleReuse, h.checkReuse}, {rulePrepare, h.checkPrepare}, {ruleApplyAnyEvent, h.checkAnyEvent}, {ruleApplyUnavailable, h.checkUnavailable}, {ruleExample, h.checkExample},
	}
	return append(rules, commonRules(s)...)
}

// setFirstOptions sets the options of the first case without an error.
func (h TransformHarness) setFirstOptions(opts any) { h.setOptions(opts, h.firstCase()) }

// firstCase returns the first case without an error, or else the first.
func (h TransformHarness) firstCase() TransformCase {
	for _, c := range h.Cases {
		if c.Error == "" {
			return c
		}
	}
	if len(h.Cases) > 0 {
		return h.Cases[0]
	}
	return TransformCase{In: `{}`}
}

func (h TransformHarness) setOptions(opts any, tc TransformCase) { setYAML(h.Type, opts, tc.Options) }

func (h TransformHarness) hasServer() bool { return hasServer(h.Type.Defaults(), h.setFirstOptions) }

func (h TransformHarness) use(c *check, i *instance[plugin.Transform]) {
	for range 3 {
		_, _ = apply(c, i, NewEvent(h.firstCase().In))
	}
}

func (h TransformHarness) tryUse(c *check, i *instance[plugin.Transform]) error {
	if len(h.Cases) == 0 || h.Stateful {
		h.use(c, i)
		return nil
	}
	if text := h.runCase(c, i, h.firstCase()); text != "" {
		return errors.New(text)
	}
	return nil
}

// emitGrace is how long the suite waits for goroutines of Apply that emit after Apply has returned.
const emitGrace = 20 * time.Millisecond

var errNil = errors.New("the transform has emitted nil")
