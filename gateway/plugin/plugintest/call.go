package plugintest

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	rulePanics  = "no method panics"
	ruleContext = "each method returns soon after its context has ended"
	ruleErrors  = "an error names what failed, and the events"
)

// call calls a method of the plugin as the router does: with a recover, and a context that ends after
// the method has returned. It ends the rule if the method does not return.
func (c *check) call(ctx context.Context, method string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.suite.timeout(c.suite.arrivalTimeout))
	defer cancel()
	done := c.begin(method, func() error { return f(ctx) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	return c.await(method, done)
}

// begin calls f in a goroutine with a recover, and returns a channel with its error.
func (c *check) begin(method string, f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err, returned := error(nil), false
		defer func() {
			if p := recover(); p != nil {
				c.addFinding(rulePanics, "%s panics: %v%s", method, p, panicLocation(debug.Stack()))
				err = errPanicked
			} else if !returned {
				c.addFinding(rulePanics, "%s ends the goroutine of its caller", method)
				err = errPanicked
			}
			done <- err
		}()
		err = c.checkError(method, f())
		returned = true
	}()
	return done
}

// await waits for a method whose context has ended. It ends the rule if the method does not return.
func (c *check) await(method string, done <-chan error) error {
	d := c.suite.timeout(c.suite.returnTimeout)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	c.timedOut()
	c.addFinding(ruleContext, "%s has not returned although its context has ended", method)
	c.stop()
	return nil
}

// endedContext returns a context that has ended.
func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// checkError checks the form of an error of a method, and returns it.
func (c *check) checkError(method string, err error) error {
	if err == nil {
		return nil
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		c.addFinding(ruleErrors, "%s returns a nil pointer of type %T, which is not equal to nil: return nil", method, err)
		return nil
	}
	text := err.Error()
	if strings.TrimSpace(text) == "" {
		c.addFinding(ruleErrors, "%s returns an error without text (%T)", method, err)
	}
	if d := plugin.RetryDelay(err); d < 0 {
		c.addFinding(ruleErrors, "%s returns plugin.RetryAfter with a negative pause", method)
	}
	return err
}

// outcomes returns the error of each event, from the error of a Write. single reports whether the
// error tells events apart.
func (c *check) outcomes(err error, n int) (each []error, single bool) {
	each, single = plugin.Outcomes(err, n)
	if each[0] != nil && !single && (strings.HasPrefix(each[0].Error(), "plugin.Failed has the index") || strings.HasPrefix(each[0].Error(), "plugin.Delivered has the count")) {
		c.addFinding(ruleErrors, "Write: %v", each[0])
	}
	if single && plugin.IsPermanent(err) && !slices.ContainsFunc(each, plugin.IsPermanent) {
		c.addFinding(ruleErrors, "Write wraps the error of plugin.Failed or plugin.Delivered by plugin.Permanent: wrap the errors within it")
	}
	return each, single
}

var frame = regexp.MustCompile(`(?m)^(\S.*)\(.*\)\n\t(\S+:\d+)`)

// panicLocation returns the function and the line of a panic, from its stack.
func panicLocation(stack []byte) string {
	after := false
	for _, m := range frame.FindAllStringSubmatch(string(stack), -1) {
		if strings.HasPrefix(m[1], "panic") {
			after = true
			continue
		}
		if after && !strings.HasPrefix(m[1], "runtime.") {
			return fmt.Sprintf(" (%s, %s)", m[1], m[2])
		}
	}
	return ""
}
