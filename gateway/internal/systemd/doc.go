// Package systemd notifies systemd, if systemd has started the gateway: it is ready, reloading or stopping, it is alive, and it
// has a status of one line. It also takes over the sockets that a socket unit has opened. Otherwise, and on other systems,
// it does nothing.
package systemd
