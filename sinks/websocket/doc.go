// Package websocket is the sink websocket: it sends events to WebSocket clients, as one
// frame each, and to clients of server-sent events (sse.go).
//
// One log, many positions. A message becomes a frame once and is appended to
// one shared log of chunks (log.go). A client is a position in that log and a
// goroutine that sends everything from there to the end in one write
// (client.go): a client that is behind gets larger writes, not more of them. The
// chunks are a linked list, of which the first ones are the history; what is before it and
// no client needs any more is garbage.
//
// Clients with other wishes or rights (subscribe.go, authorize.go) have a topic (topic.go),
// which is a log of its own: so they are written to as all others are. A new topic is made
// of the history (history.go). hub.go writes, join.go finds a client its topic, start.go the
// position of one that comes back.
//
// No expression of a client is evaluated where others wait: one goroutine (feed.go) follows
// the history and feeds the topics of filters, each of which has a budget (budget.go). A
// client that joins waits until its topic has come to where the main log is, so what a
// position means does not depend on how far the goroutine has come.
//
// A position is a number of the main log and a count of messages behind it,
// so that nothing has to be put into the messages; it is exact because a filter says the
// same whenever it is asked.
//
// melody does the handshake, the sessions and the reading. Its queue per session
// is not used: when that is full it drops a message and tells nobody. What it and
// gorilla write (pings, pongs, close frames) is caught below them (conn.go) and
// sent by the client's own goroutine between the log's frames, so that nothing
// ever cuts a frame in two and a close frame is the last thing sent.
package websocket
