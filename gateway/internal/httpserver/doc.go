// Package httpserver is the gateway's listener, shared by everything that
// speaks HTTP. Plugins mount handlers on a Table and never open a port.
//
// Every connection, request and answer has a time limit: [Limits] says when. A connection
// counts until it is closed, also after it was hijacked for a WebSocket.
package httpserver
