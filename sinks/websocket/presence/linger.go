package presence

import "time"

// maxDepartures bounds the clients that linger. Beyond it the first ones linger no more.
const maxDepartures = 100_000

// departure is a client that has left a channel and lingers.
type departure struct {
	channel *channel
	subject string
	at      time.Time // the end of its linger
}

// departures are the clients that linger, in the order in which they have left.
type departures struct {
	list []departure
	head int
}

func (d *departures) len() int { return len(d.list) - d.head }

func (d *departures) push(one departure) { d.list = append(d.list, one) }

// pop removes the first one.
func (d *departures) pop() departure {
	first := d.list[d.head]
	d.list[d.head] = departure{}
	d.head++
	switch {
	case d.head == len(d.list):
		*d = departures{}
	case d.head > 1024 && d.head > len(d.list)/2:
		d.list = append([]departure(nil), d.list[d.head:]...)
		d.head = 0
	}
	return first
}

// departDue ends the linger of at most limit clients whose time has come. It returns when the next one is due; zero: none.
func (r *Registry) departDue(now time.Time, limit int) (next time.Time) {
	for ; r.departures.len() > 0; limit-- {
		if at := r.departures.list[r.departures.head].at; limit == 0 || at.After(now) {
			return at
		}
		r.depart(r.departures.pop())
	}
	return time.Time{}
}
