package httpserver

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// listen opens the address, unless a socket listens there already.
func listen(o Options) (net.Listener, error) {
	if o.Socket != nil {
		return o.Socket, nil
	}
	path, unix := SocketPath(o.Address)
	if !unix {
		return net.Listen("tcp", o.Address)
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err = os.Remove(path); err == nil {
			l, err = net.Listen("unix", path)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, o.SocketMode); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// SocketPath returns the path of an address such as unix:/run/gateway.sock.
func SocketPath(address string) (path string, unix bool) { return strings.CutPrefix(address, "unix:") }

// abandoned reports whether a path is a socket on which no program listens. A killed program leaves such a socket.
func abandoned(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
