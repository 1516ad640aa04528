package websocket

import (
	"cmp"
	"slices"
)

// clientList has the connected clients in the order in which they have connected. Adding and removing one takes the same time for any
// number of clients, on average. A client that was removed stays in the list until there are more of these than others. Its methods
// need sink.mu.
type clientList struct {
	list   []listed // by number
	count  int      // of the connected ones
	number uint64   // of the last client
}

// listed is the place of a client.
type listed struct {
	number uint64
	client *client // nil: it was removed
}

// add adds a client, and gives it a number.
func (l *clientList) add(c *client) {
	l.number++
	c.number = l.number
	l.list = append(l.list, listed{c.number, c})
	l.count++
}

// remove removes a client that was added.
func (l *clientList) remove(c *client) {
	i := l.after(c.number - 1)
	if i == len(l.list) || l.list[i].client != c {
		return
	}
	l.list[i].client = nil
	l.count--
	if len(l.list) > 64 && l.count < len(l.list)/2 {
		l.list = slices.DeleteFunc(l.list, func(p listed) bool { return p.client == nil })
	}
}

// after returns the index of the first place behind a number.
func (l *clientList) after(number uint64) int {
	i, found := slices.BinarySearchFunc(l.list, number, func(p listed, n uint64) int { return cmp.Compare(p.number, n) })
	if found {
		i++
	}
	return i
}

// all returns the clients.
func (l *clientList) all() []*client {
	out := make([]*client, 0, l.count)
	for _, p := range l.list {
		if p.client != nil {
			out = append(out, p.client)
		}
	}
	return out
}

// part returns at most n clients behind a number, and the number of the last place that it has looked at. more is false if that is the
// last one.
func (l *clientList) part(after uint64, n int) (clients []*client, last uint64, more bool) {
	i := l.after(after)
	for _, p := range l.list[i:min(len(l.list), i+n)] {
		last = p.number
		if p.client != nil {
			clients = append(clients, p.client)
		}
	}
	return clients, last, i+n < len(l.list)
}
