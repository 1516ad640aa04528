// Package presence counts the clients that are on channels, by their subjects, and tells clients of changes. It knows
// neither connections nor frames: package websocket uses it, and hands its messages to the clients.
//
// # Concepts
//
// A node is one registry of one gateway. A [Registry] counts the clients of its node (channel.go). A [Member] is a client
// of the registry, with the channels that it is on (member.go). A client that leaves a channel lingers: it
// counts for a while, and a client of the same subject that joins meanwhile takes its place (linger.go).
//
// The state of a channel is the number of its clients and their subjects, of all nodes. One goroutine compares the
// current state of a channel with the state that was shown last, at most once a second. It makes a message of the
// difference (state.go). A member has the version that it was sent. It gets the difference if it has the version
// before, else the whole state. So a slow client needs no more memory, and gets the latest state.
//
// # Several nodes
//
// A share exchanges the counts of nodes through Redis, in one goroutine (share.go). The counts of a channel are a hash,
// with a field for each node (store.go). The names of changed channels are announced in a stream, which each node reads from its
// position. So no node misses a change, and none reads a channel without clients of its own. A round stores all changes
// since the last one in pipelines of some hundred commands.
//
// A node holds a lease in Redis, by the clock of Redis. The counts of a node without a lease are ignored, and other nodes
// remove them. A node that has lost its lease continues under another name. So a name that has ended never
// comes back, and its counts can be removed at any time.
//
// If Redis cannot be reached, the state is partial: it has the clients of this node, and those of other nodes as they were
// last known. Behind an outage the share stores all its counts again, gives the other nodes time to do the same, and
// then reads all channels again.
//
// # Locks
//
// Registry.mu guards all state of channels and members. It is held for short computations, and never while the share waits for
// Redis. The function wake of a member is called under it, and must not block.
package presence
