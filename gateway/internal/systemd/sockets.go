package systemd

import (
	"fmt"
	"net"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// Sockets are listeners that systemd has opened.
type Sockets []net.Listener

// TakeSockets returns the sockets that systemd has passed to this process. Only the first call returns them. It fails
// where one is no listening stream socket.
func TakeSockets() (s Sockets, err error) {
	for _, f := range activation.Files(true) {
		l, err := net.FileListener(f) // has a descriptor of its own
		_ = f.Close()
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("systemd has passed a socket that cannot be used: %w: set ListenStream and Accept=no in the socket unit", err)
		}
		s = append(s, l)
	}
	return s, nil
}

// Take removes the socket with an address such as :8080 or unix:/run/gateway.sock, and returns it; nil: there is none.
func (s *Sockets) Take(address string) net.Listener {
	for i, l := range *s {
		if hasAddress(l.Addr(), address) {
			*s = append((*s)[:i:i], (*s)[i+1:]...)
			return l
		}
	}
	return nil
}

// Unused returns an error that names the first socket that was not taken; nil: there is none. Clients could connect to such a
// socket, and would get no answer.
func (s Sockets) Unused() error {
	if len(s) == 0 {
		return nil
	}
	a := s[0].Addr().String()
	if s[0].Addr().Network() == "unix" {
		a = "unix:" + a
	}
	return fmt.Errorf("systemd has opened %s, and the gateway does not listen there: set http.listen or http.admin.listen to the address in the socket unit", a)
}

// Close closes the sockets that were not taken.
func (s Sockets) Close() {
	for _, l := range s {
		_ = l.Close()
	}
}

// hasAddress reports whether the address of a socket is one that the configuration names.
func hasAddress(socket net.Addr, address string) bool {
	if path, unix := strings.CutPrefix(address, "unix:"); unix {
		return socket.Network() == "unix" && socket.String() == path
	}
	has, ok := socket.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", address)
	if !ok || err != nil || has.Port != want.Port {
		return false
	}
	anyAddress := len(want.IP) == 0 || want.IP.IsUnspecified()
	return anyAddress && has.IP.IsUnspecified() || !anyAddress && has.IP.Equal(want.IP)
}
