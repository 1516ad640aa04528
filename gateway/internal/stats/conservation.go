package stats

import (
	"fmt"

	"eventgateway/gateway/plugin"
)

// Conserved returns an error where a component has made or lost an event: the
// conservation law. It holds at any moment.
func (s Status) Conserved() error {
	for _, c := range s.Sources {
		if c.Emitted != c.Acked+c.Nacked+c.Outstanding {
			return fmt.Errorf("source %s: emitted %d != acked %d + nacked %d + outstanding %d", c.Name, c.Emitted, c.Acked, c.Nacked, c.Outstanding)
		}
	}
	for _, c := range s.Routes {
		if c.In+c.Added != c.Filtered+c.Merged+c.Held+c.Dropped+c.DeadLettered+c.Returned+c.Out {
			return fmt.Errorf("route %s: in %d + added %d != filtered %d + merged %d + held %d + dropped %d + dead_lettered %d + returned %d + out %d",
				c.Name, c.In, c.Added, c.Filtered, c.Merged, c.Held, c.Dropped, c.DeadLettered, c.Returned, c.Out)
		}
	}
	for _, c := range s.Sinks {
		sum := c.Delivered + c.DeadLettered + c.Returned + c.Queued + c.Writing
		for _, n := range c.Dropped {
			sum += n
		}
		if c.In != sum {
			return fmt.Errorf("sink %s: in %d != %d = delivered %d + dropped %v + dead_lettered %d + returned %d + queued %d + writing %d",
				c.Name, c.In, sum, c.Delivered, c.Dropped, c.DeadLettered, c.Returned, c.Queued, c.Writing)
		}
	}
	if s.DeadLetterStore != nil {
		return s.DeadLetterStore.conserved()
	}
	return nil
}

// ConservedAtRest adds to Conserved what holds when nothing is on its way between
// two components, as when the router has stopped: what each has sent has arrived,
// and nothing waits. The in of a dead-letter sink is thus the sum of what others
// have parked there.
func (s Status) ConservedAtRest() error {
	if err := s.Conserved(); err != nil {
		return err
	}
	into, from := map[string]uint64{}, map[string]uint64{}
	for _, e := range s.Edges {
		into[e.To] += e.Events
		from[e.From] += e.Events
	}
	for _, c := range s.Routes {
		if n := into["route "+c.Name]; c.In != n {
			return fmt.Errorf("route %s: in %d, but its sources gave %d", c.Name, c.In, n)
		}
		if c.Held != 0 {
			return fmt.Errorf("route %s: %d held at rest", c.Name, c.Held)
		}
		if n := from[DeadLettersOf("route", c.Name)]; c.DeadLettered != n {
			return fmt.Errorf("route %s: dead_lettered %d, but %d were parked", c.Name, c.DeadLettered, n)
		}
	}
	for _, c := range s.Sinks {
		if n := into["sink "+c.Name]; c.In != n {
			return fmt.Errorf("sink %s: in %d, but routes and dead letters gave %d", c.Name, c.In, n)
		}
		if n := from[DeadLettersOf(plugin.KindSink, c.Name)]; c.DeadLettered != n {
			return fmt.Errorf("sink %s: dead_lettered %d, but %d were parked", c.Name, c.DeadLettered, n)
		}
		if c.Waiting() != 0 {
			return fmt.Errorf("sink %s: %d queued and %d being written at rest", c.Name, c.Queued, c.Writing)
		}
	}
	if c := s.DeadLetterStore; c != nil {
		if n := into[InStore]; c.In != n {
			return fmt.Errorf("dead-letter store: in %d, but routes and sinks gave %d", c.In, n)
		}
		if c.Pending != 0 {
			return fmt.Errorf("dead-letter store: %d pending at rest", c.Pending)
		}
	}
	for _, c := range s.Sources {
		if c.Outstanding != 0 {
			return fmt.Errorf("source %s: %d outstanding at rest", c.Name, c.Outstanding)
		}
	}
	return nil
}
