// Package websocket is the sink websocket: it sends every event to every
// connected WebSocket client, as one frame.
//
// One log, many positions. A message becomes a frame once and is appended to
// one shared log of chunks (log.go). A client is a position in that log and a
// goroutine that sends everything from there to the end in one write
// (client.go): a client that is behind gets larger writes, not more of them. The
// chunks are a linked list, so what no client needs any more is garbage.
//
// melody does the handshake, the sessions and the reading. Its queue per session
// is not used: when that is full it drops a message and tells nobody. What it and
// gorilla write (pings, pongs, close frames) is caught below them (conn.go) and
// sent by the client's own goroutine between the log's frames, so that nothing
// ever cuts a frame in two and a close frame is the last thing sent.
package websocket
