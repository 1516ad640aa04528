package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/plugin"
)

// logLevels has the lowest level that is logged: one for all, and others for single components.
type logLevels struct {
	mu      sync.Mutex      // of changes
	known   map[string]bool // names of components
	current atomic.Pointer[levelSet]
}

// levelSet is immutable.
type levelSet struct {
	all        slog.Level
	components map[string]slog.Level
}

// newLogLevels returns the levels of a configuration. It fails if the command line gives a level that does not exist.
func newLogLevels(cfg *config.Config) (*logLevels, error) {
	l := &logLevels{}
	return l, l.configure(cfg)
}

// configure sets the levels of a configuration. They replace those that the API has set.
func (l *logLevels) configure(cfg *config.Config) error {
	all, err := parseLevel(cfg.Log.Level)
	if err != nil {
		return err
	}
	set := &levelSet{all, map[string]slog.Level{}}
	for _, c := range cfg.Log.Components {
		if set.components[c.Key], err = parseLevel(string(c.Value)); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = componentNames(cfg)
	l.current.Store(set)
	return nil
}

// componentNames returns the names of all components of a configuration.
func componentNames(cfg *config.Config) map[string]bool {
	names := map[string]bool{}
	for _, s := range cfg.Graph.Sources {
		names[s.Name] = true
	}
	for _, s := range cfg.Graph.Sinks {
		names[s.Name] = true
	}
	for _, r := range cfg.Graph.Routes {
		names[r.Name] = true
		for _, t := range r.Through {
			names[t.Name] = true
		}
	}
	return names
}

func parseLevel(text string) (level slog.Level, err error) {
	if !slices.Contains(config.LogLevel("").Values(), text) {
		return 0, fmt.Errorf("log level %q is none of debug, info, warn and error", text)
	}
	return level, level.UnmarshalText([]byte(text))
}

// SetLevel is part of [admin.LogLevels]: of one component, or of all without a level of their own if component is "".
func (l *logLevels) SetLevel(component, text string) error {
	level, err := parseLevel(text)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.current.Load()
	next := &levelSet{old.all, maps.Clone(old.components)}
	switch {
	case component == "":
		next.all = level
	case !l.known[component]:
		return fmt.Errorf("there is no component %q: name a source, transform, sink or route of the configuration", component)
	default:
		next.components[component] = level
	}
	l.current.Store(next)
	return nil
}

// Levels is part of [admin.LogLevels].
func (l *logLevels) Levels() admin.LogLevelStatus {
	set := l.current.Load()
	st := admin.LogLevelStatus{Level: levelName(set.all), Components: map[string]string{}}
	for name, level := range set.components {
		st.Components[name] = levelName(level)
	}
	return st
}

func levelName(l slog.Level) string { return strings.ToLower(l.String()) }

// of returns the level of a component, or of all if it has none of its own.
func (l *logLevels) of(component string) slog.Level {
	set := l.current.Load()
	if level, ok := set.components[component]; ok && component != "" {
		return level
	}
	return set.all
}

// leveled is a handler that drops lines below the level of its component. An attribute with which the logger was made names the
// component.
type leveled struct {
	slog.Handler
	levels    *logLevels
	component string // "": none
}

// Enabled is part of [slog.Handler].
func (h *leveled) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.levels.of(h.component)
}

// componentKinds are the names of the attributes that name a component.
var componentKinds = []string{string(plugin.KindSource), string(plugin.KindTransform), string(plugin.KindSink), "route"}

// WithAttrs is part of [slog.Handler].
func (h *leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &leveled{h.Handler.WithAttrs(attrs), h.levels, h.component}
	for _, a := range attrs {
		if slices.Contains(componentKinds, a.Key) {
			next.component = a.Value.String()
		}
	}
	return next
}

// WithGroup is part of [slog.Handler].
func (h *leveled) WithGroup(name string) slog.Handler {
	return &leveled{h.Handler.WithGroup(name), h.levels, h.component}
}
