package websocket

import "time"

// turnTime is how long a feeder works for one address before it goes on to the next.
const turnTime = time.Millisecond

// task is work of a feeder: a topic that is ready, or a client that resumes. run works until the turn that began at
// begin is over. It reports whether the task is done; if not, it is run again later.
type task interface {
	run(f *feeder, begin time.Time) (done bool)
}

// turns holds the tasks of a feeder. Each address has one turn in a round, so that an expensive filter delays only
// those of its own address.
type turns struct {
	order     []*addressTasks
	byAddress map[string]*addressTasks
}

// addressTasks holds the tasks of one address, in order.
type addressTasks struct {
	address string
	tasks   []task
}

func newTurns() turns { return turns{byAddress: map[string]*addressTasks{}} }

// add adds a task of an address.
func (q *turns) add(address string, t task) {
	a := q.byAddress[address]
	if a == nil {
		a = &addressTasks{address: address}
		q.byAddress[address] = a
		q.order = append(q.order, a)
	}
	a.tasks = append(a.tasks, t)
}

// round gives each address one turn. It reports whether there were tasks.
func (q *turns) round(f *feeder) (busy bool) {
	n := len(q.order)
	for _, a := range q.order[:n] {
		a.turn(f)
	}
	remaining := q.order[:0]
	for _, a := range q.order {
		if len(a.tasks) > 0 {
			remaining = append(remaining, a)
		} else {
			delete(q.byAddress, a.address)
		}
	}
	clear(q.order[len(remaining):])
	q.order = remaining
	return n > 0
}

// turn runs tasks until the turn is over, each once at most.
func (a *addressTasks) turn(f *feeder) {
	begin := time.Now()
	for range len(a.tasks) {
		t := a.tasks[0]
		a.tasks[0] = nil
		a.tasks = a.tasks[1:]
		if !t.run(f, begin) {
			a.tasks = append(a.tasks, t)
		}
		if time.Since(begin) > turnTime {
			return
		}
	}
}

// turnAddress returns the address by which the turns of a topic are counted. Rights are those of the configuration, and have
// one turn. Clients that resume have the turns of their addresses in both feeders.
func (f *feeder) turnAddress(t *topic) string {
	if f.number == rightsFeeder {
		return ""
	}
	return t.creator
}

// run is part of [task]. It gives the topic a part of a turn.
func (t *topic) run(f *feeder, begin time.Time) (done bool) {
	if t.removed {
		return true
	}
	for {
		reason := f.feed(t, begin)
		if !t.ready {
			f.ready--
		}
		if reason != nil {
			f.endTopic(t, reason)
		}
		if reason != nil || !t.ready {
			return true
		}
		if time.Since(begin) > turnTime {
			return false
		}
	}
}
