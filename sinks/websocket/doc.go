// Package websocket is the sink websocket. It sends each event as one frame to WebSocket clients, and as
// a server-sent event to other HTTP clients.
//
// # Concepts
//
// A frame is appended once to one log, whatever the number of clients (log.go). A reader is one subscription of a client:
// a position in a log (reader.go). A client is its readers, and a goroutine that writes the frames behind them. A
// client with a lag gets larger writes, not more of them. The log is a linked list of chunks: the garbage collector frees a chunk that is outside of the
// history and that no client has yet to send.
//
// A topic is one subscription: rights, channels and a filter. Clients with equal subscriptions
// share a topic. The main topic has every event; clients without rights, channels and filter read its log, the
// main log. The log of another topic refers to frames of the main log, and copies none (topiclog.go).
//
// A feeder brings events to topics. Its index finds the topics for which an event may match, by the values of fields that
// their subscriptions compare with constants (index.go). Only these topics evaluate the event. The parts of a && b that
// several topics have are evaluated once for an event (memo.go). The history keeps the
// keys of these values, so a client that resumes is evaluated only for events that may match.
//
// An offset is the number of a message in the main log, from 1. A client knows an epoch, an offset, and
// with seen the number of messages of its topic behind the offset. It resumes with these three. They are
// exact because a filter gives the same result each time it is evaluated for an event.
//
// With compression (permessage-deflate, without context takeover), a frame of the main log is compressed once, by the first client that
// needs it. A compressedChunk holds the compressed frames of a chunk of the main log, and the chunks of topics share it
// (compress.go, compressedchunk.go). Frames that only one topic or one client has are not compressed. Messages of clients are inflated
// before gorilla reads them (inflate.go), so its bound applies to inflated bytes.
//
// With history.from_source the history is filled from the source before clients join (fromsource.go). Then clients know an
// offset by the position of its message in the source (streamposition.go), which is the same at each gateway; inside, it remains a number. All
// clients that speak the protocol have a topic, so that they get position messages.
//
// # The way of a frame from Write to a socket
//
//  1. sink.Write gives the batch to the hub (sink.go).
//  2. hub.append makes the frame, and appends it to the main log and the event to the history
//     (hub.go, frame.go, log.go, chunk.go, history.go).
//  3. hub.write publishes the main log, which wakes the idle clients, and wakes the feeders.
//  4. A feeder reads the history, and makes the topics ready for which an event may match (feeder.go, index.go).
//  5. Ready topics take turns (turns.go). Each evaluates its events, appends those that match to its log, and
//     publishes them (feed.go, match.go, memo.go, oldrow.go, topic.go). The time is charged to the topic (budget.go).
//  6. client.run takes its control frames, and a run of frames of each reader that has some (writer.go, runs.go).
//     Frames are shared, so a control message names the subscription to which those behind it belong (named.go).
//     If the client has negotiated compression, deflater.frames compresses them, or finds them compressed, without a
//     lock of a client, topic or log (compress.go).
//  7. client.send writes them to the socket, or to server-sent events, which turn frames into
//     events (conn.go, sse.go).
//  8. At the end of the log, the reader is idle until the next publish, which wakes its client.
//
// # The life of a client
//
//   - It joins: sink.ServeHTTP checks the limits, the origin and the token (connect.go, handshake.go, deflateoffer.go,
//     limits.go, forwarded.go, origin.go, auth.go, jwt.go). The token gives its rights (rights.go), the query its
//     subscription (request.go). hub.join asks the feeder, which finds or creates the topic, and answers when the
//     topic has every message that was written before (join.go, joining.go, topics.go). client.addReader queues the welcome
//     and subscribed (subscribe.go), and client.start begins to send them (client.go).
//   - It sends messages: client.receive answers them (receive.go). With subscribe and unsubscribe it adds and ends
//     subscriptions. A reader that changes its topic continues behind the messages that it was sent; so do all
//     readers when a new token changes the rights of the client (move.go, token.go).
//   - It is present on the channels that its subscriptions name: presence.go tells package presence, whose messages
//     client.run sends behind the control frames.
//   - It resumes: joining.backfill inserts the messages that the topic does not have into its log, from the history. hub.start
//     finds the position of epoch, offset and seen, or of the value of the option position. It reports recovered only if the
//     history holds every message that the client missed, and no gap was noted since (resume.go).
//   - A reader lags: the lag is the messages and bytes of its topic that it was not sent. sink.handleSlowClients
//     compares it with max_lag once per chunk of the main log, and more rarely with thousands of clients (slow.go).
//   - It is evicted, with slow_client: disconnect, by client.close: the write under way may end, and a close
//     frame gives the reason. With drop_oldest or conflate hub.skipToEnd moves the reader to the end of its topic,
//     and a gap message gives the number of skipped messages (skip.go, conflation.go).
//   - A topic ends, because the filter exceeds a bound (topicend.go): its readers end. A client whose subscription
//     without an id has ended is closed.
//   - Operators look at it and disconnect it: sink.Clients and sink.Disconnect (operator.go, clientlist.go).
//   - The gateway stops: sink.Close drains the topics, and closes the clients one after the other, each
//     behind its logs (close.go).
//
// # Snapshots
//
// A snapshot is a GET with the query parameter snapshot. It joins a topic as a client does, which gives the position, and leaves it
// again (snapshot.go, which also explains why a client that applies the rows and then the messages has the state of the table). The rows
// are read in pages (snapshot_rows.go), become events, and pass hub.match (snapshot_filter.go). snapshot_send.go sends
// the lines, snapshot_writer.go writes them with deadlines, and snapshot_position.go names the gaps before the position.
//
// # Where each limit is kept
//
//   - limits.clients, per_address, handshakes: clientLimits in limits.go
//   - limits.messages, and the bound of subscribe messages: client.receive in receive.go
//   - limits.subscriptions: client.addReader in subscribe.go; the size of an id: checkID in named.go
//   - max_message of compressed messages: inflater in inflate.go
//   - processors and memory of compression: deflater.free in compress.go
//   - unread answers (maxControl): client.queueControl in client.go
//   - max_message, ping, pong: melody, as set in websocket.go; for server-sent events sse.go
//   - write_timeout: client.send in writer.go
//   - max_topics, limits.filters_per_address: feeder.admit in budget.go
//   - limits.filter_time: feeder.chargeTime in budget.go
//   - limits.filter_memory: of topics, feeder.maxTopicBytes in budget.go; of slow clients, sink.boundMemory in slow.go
//   - max_lag of a reader: slow.go; of a topic behind the main log: feeder.feed in feed.go
//   - history: log.trim in log.go (history.bytes counts compressed frames, too), history.trim in history.go, topic.trim in topic.go, which sweep.go calls
//   - snapshot.clients: snapshots.acquire in snapshot.go; snapshot.timeout: sink.snapshotContext there
//   - the size of a page: snapshot_rows.go; limits.filter_time of a snapshot: rowFilter.pause in snapshot_filter.go
//   - the size of a filter: package expr; of channels, epoch and after: request.go
//   - the channels of a client, and of all, for presence: package presence
//   - lines that clients can cause in the log: clientlog.go
//
// # Locks
//
// There are twelve. A goroutine takes these in this order, and may leave some out:
//
//  1. sink.mu: the clients, their limits, closed; never together with hub.mu
//  2. hub.mu: the history, the gaps
//  3. client.mu: the readers, queued control frames, close
//  4. topic.mu: the log of a topic, its offsets and its end
//  5. log.mu: the end of a log and its idle readers
//
// The others are held alone, or last. feeder.mu guards only the requests to a feeder. All else of a feeder, its topics, index and
// budgets, is used by its goroutine alone, and needs no lock. A compressedChunk has two: compressing is held while frames are
// compressed, by clients that hold no other lock, and mu guards its memory, also under hub.mu. The registry of package
// presence has one, which is taken behind client.mu. A snapshotWriter has one. Of snapshots, mu guards their number, and
// evaluating is held while they evaluate.
//
// Published frames are immutable, so reading a log takes no lock. No filter and no rule is evaluated under a lock that other clients wait
// for, except for snapshots.evaluating; hub.mu is held while the option position is evaluated.
//
// # melody
//
// melody does the handshake, the sessions and the reading. Its queue per session is not used, because it
// drops messages without a gap when it is full. Pings, pongs and close frames of melody and gorilla are caught
// in conn.go, and client.run sends them between the frames of the log. So no frame is cut in two, and the close
// frame is the last one.
//
// The package is larger than others because the log, the topics and the clients share locks and positions:
// parts in packages of their own would have to export them.
package websocket
