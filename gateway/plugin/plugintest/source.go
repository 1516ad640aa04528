package plugintest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/plugin"
)

// SourceHarness describes the test of one source.
type SourceHarness struct {
	Type plugin.SourceType
	// Reachable and Unreachable set options like the fields of [SinkHarness]. Reachable is called once
	// for each rule; the rule may build several instances with these options.
	Reachable, Unreachable func(opts any)
	// Serve is called with the environment of each instance before its Run; nil if the source mounts
	// no handler on env.HTTP. There it is a [*Mounter]: httptest.NewServer(env.HTTP.(*plugintest.Mounter).Pages).
	Serve func(t testing.TB, env plugin.Env)
	// Send sends payloads to the source, each once; nil if the source makes
	// events by itself. It may wait for the source's answer.
	Send func(t testing.TB, payloads ...string)
	// Request sends one payload, waits for the answer, and reports whether the sender was told that its event is delivered. It is for types with the
	// capability AnswersSenders. It returns false if it cannot be sent. Without Send, it is used for all rules.
	Request func(t testing.TB, payload string) (delivered bool)
	// Payload returns the n-th payload to send; nil for plain text.
	Payload func(n int) string
	// Disconnect cuts the source's connection, so that Run returns an error; nil if it has none.
	Disconnect func(t testing.TB)
	// TakeLock takes the lock away from the leader, for types with the capability ElectsLeader.
	TakeLock func(t testing.TB)
	// Exclusive says that instances with equal options end each other's runs, as readers of one slot do.
	Exclusive bool
	// InvalidOptions maps options, in YAML, to a part of the problem that they cause.
	InvalidOptions map[string]string
}

// Source runs the suite on a source.
func Source(t *testing.T, h SourceHarness) {
	t.Helper()
	runSuite(t, sourceRules(h))
}

const (
	ruleReady            = "Ready is called once in each Run, and events that arrive later are emitted"
	ruleEmitsOnce        = "each event is emitted once, in order and unchanged"
	ruleEmittedUnchanged = "an event and its bytes never change after Emit"
	ruleRunEnds          = "Run returns nil when its context has ended"
	ruleRunFails         = "Run returns an error while its server is unavailable, and does not call Ready"
	ruleAcks             = "a batch can be settled at any time, in any goroutine; until then its slice does not change, and no other batch has its Ack"
	ruleRunAgain         = "Run can be called again"
	ruleAfterRun         = "nothing is emitted after Run has returned"
	ruleGaps             = "a gap is reported where events may be missing, and not in the first Run"
	ruleReplays          = "events without an ack are emitted again, and acked events are not"
	ruleSourceReconnects = "the source works again after its connection was cut, and reports events that it may have missed"
	ruleElects           = "one source leads at a time, and terms increase"
)

func sourceRules(h SourceHarness) []rule {
	if h.Send == nil && h.Request != nil {
		h.Send = h.sendByRequests
	}
	s := subject[plugin.Source]{typ: h.Type, reachable: h.Reachable, unreachable: h.Unreachable, invalidOptions: h.InvalidOptions, use: h.use, tryUse: h.tryUse, exclusive: h.Serve != nil || h.Exclusive}
	rules := []rule{
		{ruleRunEnds, h.checkContext}, {ruleReady, h.checkReady}, {ruleEmitsOnce, h.checkEmitsOnce}, {ruleEmittedUnchanged, nil}, {ruleRunAgain, h.checkRunAgain},
		{ruleAcks, h.checkAcks}, {ruleRunFails, h.checkRunFails}, {ruleAfterRun, nil}, {ruleGaps, h.checkFirstGap},
		{ruleReplays, h.checkReplay}, {ruleSourceReconnects, h.checkReconnect}, {ruleElects, h.checkElection}, {ruleAnswers, h.checkAnswers}, {ruleTryEmit, nil}, {ruleHistory, h.checkHistory},
	}
	return append(rules, commonRules(s)...)
}

// runner calls Run of one instance, once or several times.
type runner struct {
	h      SourceHarness
	c      *check
	i      *instance[plugin.Source]
	out    *recordingOutput
	cancel context.CancelFunc
	done   <-chan error
	sent   atomic.Pointer[<-chan struct{}] // closed after the last call of Send; Ready may send, too
}

func (h SourceHarness) newRunner(c *check, opts any) *runner {
	t := &runner{h: h, c: c, i: build(c, h.Type, opts), out: newRecordingOutput(c, h.Type.Has(plugin.AnswersSenders))}
	if h.Serve != nil {
		c.callHook(func() { h.Serve(c, t.i.env) })
	}
	return t
}

func (t *runner) trackSend(sent <-chan struct{}) { t.sent.Store(&sent) }

// start calls Run.
func (t *runner) start() {
	ctx, cancel := context.WithCancel(context.Background())
	t.out.reset()
	t.cancel = cancel
	ended := make(chan error, 1)
	run := t.c.begin("Run", func() error {
		err := t.i.impl.Run(ctx, t.out)
		t.out.endRun()
		return err
	})
	out := t.out
	go func() {
		err := <-run
		out.endRun() // also after a panic
		ended <- err
		out.notify()
	}()
	t.done = ended
	t.c.Cleanup(func() {
		cancel()
		select {
		case <-out.release:
		default:
			close(out.release)
		}
	})
}

// startAndAwaitReady calls Run, and waits for Ready.
func (t *runner) startAndAwaitReady() {
	t.start()
	ok := t.out.await(t.c.suite.timeout(t.c.suite.arrivalTimeout), func(s state) bool { return s.ready > 0 || s.returned })
	if t.out.state().ready > 0 {
		return
	}
	if t.out.state().returned || !ok && len(t.done) > 0 {
		if err := <-t.done; err != errPanicked {
			t.c.addFinding(ruleReady, "Run returns before it calls Ready: %v", err)
		}
		t.c.stop()
	}
	t.c.timedOut()
	t.c.addFinding(ruleReady, "Run does not call Ready")
	t.c.stop()
}

// stop ends the context of Run, and checks that Run returns nil.
func (t *runner) stop() {
	if sent := t.sent.Load(); sent != nil { // Send may wait for an answer of the source
		select {
		case <-*sent:
		case <-time.After(time.Second):
		}
	}
	t.cancel()
	if err := t.c.await("Run", t.done); err != nil && err != errPanicked {
		t.c.addFinding(ruleRunEnds, "Run returns an error after its context has ended: %v", err)
	}
}

// payload returns the n-th payload of the rule.
func (h SourceHarness) payload(c *check, n int) string {
	n += c.firstNumber
	if h.Payload != nil {
		return h.Payload(n)
	}
	return fmt.Sprint("payload ", n)
}

// send calls Send in a goroutine, because Send may wait for the source. It returns a channel that is
// closed after Send.
func (h SourceHarness) send(c *check, tb testing.TB, payloads ...string) (sent <-chan struct{}) {
	done := make(chan struct{})
	if h.Send == nil {
		close(done)
		return done
	}
	c.mu.Lock()
	before := c.sending
	c.sending = done
	c.mu.Unlock()
	go func() {
		defer close(done)
		defer c.recover()
		clearLabels()
		if before != nil { // in order, unless the call before waits for the source
			select {
			case <-before:
			case <-time.After(time.Second):
			}
		}
		c.suite.recordSent(c, payloads)
		h.Send(tb, payloads...)
	}()
	c.Cleanup(func() {
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	})
	return done
}

// use runs a source until it has emitted an event, and lets it campaign.
func (h SourceHarness) use(c *check, i *instance[plugin.Source]) {
	t := &runner{h: h, c: c, i: i, out: newRecordingOutput(c, h.Type.Has(plugin.AnswersSenders))}
	if h.Serve != nil {
		c.callHook(func() { h.Serve(c, i.env) })
	}
	t.startAndAwaitReady()
	sent := h.send(c, ignoreFailures{c}, h.payload(c, 0))
	t.out.await(c.suite.timeout(2*time.Second), func(s state) bool { return len(s.emitted) > 0 || s.returned })
	select {
	case <-sent:
	case <-time.After(time.Second):
	}
	t.cancel()
	_ = c.await("Run", t.done)
	if e, ok := any(i.impl).(plugin.Elector); ok {
		_ = c.call(c.ctx, "Campaign", func(ctx context.Context) error {
			l, err := e.Campaign(ctx, "used", 0, func(string) {})
			if err == nil && l != nil {
				l.Resign()
			}
			return err
		})
	}
}

// tryUse runs a source until it calls Ready.
func (h SourceHarness) tryUse(c *check, i *instance[plugin.Source]) error {
	t := &runner{h: h, c: c, i: i, out: newRecordingOutput(c, h.Type.Has(plugin.AnswersSenders))}
	if h.Serve != nil {
		c.callHook(func() { h.Serve(c, i.env) })
	}
	t.start()
	t.out.await(c.suite.timeout(c.suite.arrivalTimeout), func(s state) bool { return s.ready > 0 || s.returned })
	ready := t.out.state().ready > 0
	t.cancel()
	err := c.await("Run", t.done)
	if !ready && err == nil {
		err = errors.New("the source does not call Ready")
	}
	return err
}
