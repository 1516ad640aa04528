// Package httpserver is the gateway's listener, shared by everything that
// speaks HTTP. Plugins mount handlers on a Table and never open a port.
package httpserver
