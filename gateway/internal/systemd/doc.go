// Package systemd tells systemd what the gateway does, where systemd has started it: ready, reloading, stopping, a line
// of status, and that it is alive. It also takes over the sockets that a socket unit has opened. Without systemd, and on
// other systems, it does nothing.
package systemd
