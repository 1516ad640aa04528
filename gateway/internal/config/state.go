package config

import (
	"path/filepath"
	"strings"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// setStateFolder sets the default folder of the state: systemd's, or one beside the first configuration file.
func (c *Config) setStateFolder(r Request) {
	if c.State.Path != "" || !c.State.URL.IsZero() || len(r.Files) == 0 {
		return
	}
	c.State.Path = r.Files[0] + ".state"
	all, _, _ := r.Env.Lookup("STATE_DIRECTORY")
	if systemd, _, _ := strings.Cut(all, ":"); filepath.IsAbs(systemd) {
		c.State.Path = filepath.Join(systemd, "state")
	}
}

// StateUsers returns the components that store state, as paths: sources.feed.
func (c *Config) StateUsers() (paths []string) {
	for _, s := range c.Graph.Sources {
		if s.Type.HasWith(s.Options, plugin.KeepsState) {
			paths = append(paths, "sources."+s.Name)
		}
	}
	seen := map[string]bool{}
	for _, r := range c.Graph.Routes {
		for _, t := range r.Through {
			if path := "transforms." + t.Name; t.Type.HasWith(t.Options, plugin.KeepsState) && !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
		}
	}
	for _, s := range c.Graph.Sinks {
		if s.Type.HasWith(s.Options, plugin.KeepsState) {
			paths = append(paths, "sinks."+s.Name)
		}
	}
	return paths
}

// warnOfLocalState warns of a source with a leadership whose state other gateways do not have.
func (c *Config) warnOfLocalState() {
	for _, s := range c.Graph.Sources {
		if s.Capture.Leader == "" || !s.Type.HasWith(s.Options, plugin.KeepsState) || !c.State.URL.IsZero() {
			continue
		}
		path := "sources." + s.Name + ".leader"
		_, at := c.locations.find(path)
		c.Warnings = append(c.Warnings, options.Problem{Pos: at, Path: path, Text: "the state of this source is in a folder of this machine, and a gateway elsewhere that takes over begins without it: " +
			"set state.url to a Redis or PostgreSQL, or let all gateways share the folder state.path"})
	}
}
