// Package httpserver is the gateway's HTTP listener, shared by all components. Plugins mount
// handlers on a Table and never open a port.
//
// Every connection, request and answer has a time limit, see [Limits]. A connection counts
// until it is closed, also after it was hijacked for a WebSocket.
package httpserver
