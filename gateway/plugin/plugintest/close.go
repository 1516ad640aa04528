package plugintest

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	ruleCloseUnused = "Close works on an instance that was never used"
	ruleCloseTwice  = "Close may be called twice"
	ruleLeaks       = "Close leaks no goroutine, connection or file"
)

func (s subject[T]) checkCloseUnused(c *check) {
	i := build(c, s.typ, optionsOf(c, s.typ, s.reachable))
	if err := i.close(); err != nil && err != errPanicked {
		c.Errorf("Close: %v", err)
	}
}

func (s subject[T]) checkCloseTwice(c *check) {
	for _, used := range []bool{false, true} {
		i := build(c, s.typ, optionsOf(c, s.typ, s.reachable))
		closer, ok := any(i.impl).(plugin.Closer)
		if !ok {
			return
		}
		if used {
			s.use(c, i)
		}
		_ = i.close()
		if err := c.call(context.Background(), "the second Close", closer.Close); err == errPanicked {
			c.Errorf("the second Close panics")
		}
	}
}

// checkCloseContext calls Close with a context that has ended.
func (s subject[T]) checkCloseContext(c *check) {
	i := build(c, s.typ, optionsOf(c, s.typ, s.reachable))
	closer, ok := any(i.impl).(plugin.Closer)
	if !ok {
		return
	}
	s.use(c, i)
	i.cancel()
	i.closed = true
	_ = c.await("Close", c.begin("Close", func() error { return closer.Close(endedContext()) }))
}

// checkAfterClose finds log lines after Close, and calls methods of a closed instance.
func (s subject[T]) checkAfterClose(c *check) {
	var i *instance[T]
	id := c.withLabel(func() {
		i = build(c, s.typ, optionsOf(c, s.typ, s.reachable))
		s.use(c, i)
		_ = i.close()
	})
	if len(c.waitGoroutinesFor(id, 300*time.Millisecond)) > 0 {
		time.Sleep(200 * time.Millisecond) // a leaked goroutine may log
	}
	for _, text := range i.log.linesAfterClose() {
		c.Errorf("the plugin logs after Close has returned: %s", text)
	}
	if _, ok := any(i.impl).(plugin.Closer); ok { // a call that the router no longer waits for may come after Close
		s.provokeErrors(c, i)
	}
}

// checkLeaks uses instances one after the other, and counts goroutines, connections and files after each.
func (s subject[T]) checkLeaks(c *check) {
	opts := optionsOf(c, s.typ, s.reachable)
	relays := map[string]*proxy{}
	addresses(opts, func(addr string) string {
		if relays[addr] == nil {
			relays[addr] = newProxy(c, addr)
		}
		return relays[addr].addr
	})
	rounds := 3
	var files []int
	for round := range rounds {
		id := c.withLabel(func() {
			i := build(c, s.typ, opts)
			s.use(c, i)
			_ = i.close()
		})
		if left := c.waitGoroutines(id); len(left) > 0 {
			c.Errorf("goroutines run on after Close, in %s", strings.Join(slices.Compact(slices.Sorted(slices.Values(left))), ", "))
			return
		}
		for _, r := range relays {
			if !c.poll(func() bool { return r.open() == 0 }) {
				c.timedOut()
				c.Errorf("%d connections are open after Close", r.open())
				return
			}
		}
		if round == 0 { // the first instance initializes what the process has only once
			s.checkLeaksUnused(c, opts)
		}
		files = append(files, openFiles())
	}
	if c.suite.ownProcess && files[1] > files[0] && files[2] > files[1] && !c.poll(func() bool { return openFiles() <= files[1] }) {
		c.Errorf("files or connections stay open after Close: %d, %d and %d after one instance each", files[0], files[1], files[2])
	}
}

// checkLeaksUnused finds goroutines of an instance that was never used, and of one whose server was
// unavailable.
func (s subject[T]) checkLeaksUnused(c *check, opts any) {
	for what, o := range map[string]any{"that was never used": opts, "whose server was unavailable": nil} {
		id := c.withLabel(func() {
			if o == nil {
				if s.unreachable == nil {
					return
				}
				o = optionsOf(c, s.typ, s.unreachable)
			}
			i, err := tryBuild(c, s.typ, Name, o)
			if err != nil {
				return
			}
			if what == "whose server was unavailable" {
				s.provokeErrors(c, i)
			}
			_ = i.close()
		})
		if left := c.waitGoroutines(id); len(left) > 0 {
			c.Errorf("goroutines of an instance %s run on after Close, in %s", what, left[0])
		}
	}
}

// openFiles returns the number of files that this process has open, without connections, because the
// harness opens some, too. It returns 0 where /proc is missing.
func openFiles() (n int) {
	list, _ := os.ReadDir("/proc/self/fd")
	for _, f := range list {
		if of, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && !strings.HasPrefix(of, "socket:") {
			n++
		}
	}
	return n
}

// waitGoroutinesFor is like waitGoroutines, and waits for at most d.
func (c *check) waitGoroutinesFor(id string, d time.Duration) (left []string) {
	end := time.Now().Add(d)
	for left = goroutinesWith(id); len(left) > 0 && time.Now().Before(end); left = goroutinesWith(id) {
		time.Sleep(10 * time.Millisecond)
	}
	return left
}
