package component

import (
	"errors"
	"net/http"

	"eventgateway/gateway/plugin"
)

// Mounts mounts the handlers of a component while it is built, and stores them for later tables.
type Mounts struct {
	to   plugin.Mounter // nil once the component is built
	made []mount
}

// errBuilt is the error of a handler that is mounted after the component was built.
var errBuilt = errors.New("the component is built already: mount all handlers while it is built")

// built forgets the table of handlers: a component may be part of many graphs, and the table of its
// first one has handlers of components that were removed.
func (m *Mounts) built() { m.to = nil }

type mount struct {
	pattern string
	handler http.Handler
	upgrade bool
}

// Handle is part of [plugin.Mounter].
func (m *Mounts) Handle(pattern string, h http.Handler) error { return m.add(mount{pattern, h, false}) }

// HandleUpgrade is part of [plugin.Mounter].
func (m *Mounts) HandleUpgrade(pattern string, h http.Handler) error {
	return m.add(mount{pattern, h, true})
}

func (m *Mounts) add(one mount) error {
	if m.to == nil {
		return errBuilt
	}
	err := one.on(m.to)
	if err == nil {
		m.made = append(m.made, one)
	}
	return err
}

func (one mount) on(to plugin.Mounter) error {
	if one.upgrade {
		return to.HandleUpgrade(one.pattern, one.handler)
	}
	return to.Handle(one.pattern, one.handler)
}

// Repeat mounts on another table what the component has mounted before.
func (m *Mounts) Repeat(to plugin.Mounter) error {
	for _, one := range m.made {
		if err := one.on(to); err != nil {
			return err
		}
	}
	return nil
}

// Upgrades returns the paths at which the component accepts WebSocket clients.
func (m *Mounts) Upgrades() (paths []string) {
	for _, one := range m.made {
		if one.upgrade {
			paths = append(paths, one.pattern)
		}
	}
	return paths
}

// NeedToken reports whether WebSocket clients of the component need a token.
func (m *Mounts) NeedToken() bool {
	for _, one := range m.made {
		if h, ok := one.handler.(plugin.TokenHandler); ok && one.upgrade && h.NeedsToken() {
			return true
		}
	}
	return false
}

// Snapshots returns the names of the snapshots that the component answers.
func (m *Mounts) Snapshots() (names []string) {
	for _, one := range m.made {
		if h, ok := one.handler.(plugin.SnapshotHandler); ok && one.upgrade {
			names = append(names, h.Snapshots()...)
		}
	}
	return names
}

var _ plugin.Mounter = (*Mounts)(nil)
