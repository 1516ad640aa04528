package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/internal/state"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Config is a configuration without problems.
type Config struct {
	HTTP    HTTP
	Log     Log
	Tracing tracing.Options
	State   state.Options // its path or its URL is set
	Graph   router.Graph
	Tests   []Test
	// DeadLetters is the store of dead letters; without a path they are kept in memory.
	DeadLetters DeadLetterStore
	// ShutdownDelay is the time between a signal to stop and the stop.
	ShutdownDelay time.Duration
	// Warnings are about its environment. They do not prevent its use.
	Warnings options.Problems

	locations locations
	env       Env
	secrets   *options.Redactor // of all components, and of http
	hidden    *options.Redactor // of these, and of the values of variables
	embedded  []embeddedURL
}

// Request selects what to load.
type Request struct {
	Files   []string // a later one overrides earlier ones
	Pipes   Pipes    // content of the files that are pipes
	Env     Env
	Plugins plugin.Set
	Routes  []string // only these; empty: all
	ACME    bool     // whether this binary can obtain certificates by ACME
	// Running is the configuration that a reload replaces; nil at a start. A reload does not open a store of dead letters.
	Running *Config
	// Offline ignores missing variables of sources and sinks, since these are not
	// built.
	Offline bool
}

// Load reads, merges and decodes files. It returns a Config, or all problems, sorted by
// position.
func Load(r Request) (*Config, options.Problems) {
	r.Env = r.Env.caching()
	raw, all, problems := r.read()
	if len(problems) > 0 && len(raw) == 0 {
		return nil, problems
	}
	g := graph{dec: &options.Decoder{Locate: all.find}, plugins: r.Plugins, values: all.values(), running: r.Running}
	if password, _, _ := r.Env.Lookup("PGPASSWORD"); password != "" { // the library uses it for URLs without a password
		g.secrets, g.outside = append(g.secrets, password), 1
	}
	cfg := g.decode(raw, r.Routes)
	cfg.locations, cfg.env = all, r.Env
	cfg.secrets, cfg.hidden = options.NewRedactor(g.secrets...), options.NewRedactor(append(g.secrets, g.values.all()...)...)
	g.collectEmbedded(cfg, r)
	cfg.Warnings = cfg.HTTP.warnings(all.find)
	cfg.setStateFolder(r)
	cfg.warnOfLocalState()
	// An empty token must not open /api to everyone by accident; ${TOKEN:-} states that none is wanted.
	if at, given := all[adminToken]; given && cfg.HTTP.Admin.Token.IsZero() && !strings.Contains(at.text, ":-}") {
		g.dec.Report(adminToken, false, "is empty: set the variable or the file that holds it, or leave the option out")
	}
	if cfg.HTTP.TLS.ACME.Enabled() && !r.ACME && !r.Offline {
		g.dec.Report("http.tls.acme", true, noACME)
	}
	for _, p := range problems {
		if !g.unselected(p.Path) && !(r.Offline && inSourceOrSink(p.Path)) {
			g.dec.Problems = append(g.dec.Problems, p)
		}
	}
	if len(g.dec.Problems) > 0 {
		g.dec.Problems.Sort()
		all.addOrigins(g.dec.Problems, r.Env)
		return nil, redacted(g.dec.Problems, cfg.hidden)
	}
	return cfg, nil
}

// read reads and merges the files. It returns their values, with the places of these.
func (r Request) read() (raw map[string]any, all locations, problems options.Problems) {
	all = locations{}
	merged := koanf.New("\x00") // no name contains this delimiter
	for _, file := range r.Files {
		text, err := r.Pipes.Read(file)
		if err != nil {
			problems = append(problems, options.Problem{Pos: options.Pos{File: file}, Text: fmt.Sprintf("cannot be read: %v", err)})
			continue
		}
		p := parser{file: file, env: r.Env, locations: locations{}, open: map[*yaml.Node]bool{}}
		m := p.parse(text)
		problems = append(problems, p.problems...)
		replaceTypes(merged, m)
		if err := merged.Load(confmap.Provider(m, ""), nil); err != nil {
			problems = append(problems, options.Problem{Pos: options.Pos{File: file}, Text: err.Error()})
		}
		for path, at := range p.locations {
			all[path] = at
		}
	}
	return merged.Raw(), all, problems
}

// LoadHTTP returns the settings http of files, for a command that calls the gateway which runs with them. Problems
// elsewhere in the files do not matter to it.
func LoadHTTP(r Request) (HTTP, options.Problems) {
	r.Env = r.Env.caching()
	raw, all, read := r.read()
	top := struct {
		HTTP HTTP `koanf:"http"`
	}{defaultSettings().HTTP}
	d := options.Decoder{Locate: all.find}
	for _, p := range read {
		if p.Path == "" || strings.HasPrefix(p.Path, "http") {
			d.Problems = append(d.Problems, p)
		}
	}
	given := map[string]any{}
	if http, ok := raw["http"]; ok {
		given["http"] = http
	}
	d.Decode("", given, &top)
	return top.HTTP, d.Problems
}

// adminToken is the path of the secret that opens /api.
const adminToken = "http.admin.token"

// inSourceOrSink reports whether path is in a source or sink. Offline these have test doubles.
func inSourceOrSink(path string) bool {
	return strings.HasPrefix(path, "sources.") || strings.HasPrefix(path, "sinks.")
}

// replaceTypes deletes the components of earlier files to which m gives another
// type, since their options belong to the old type.
func replaceTypes(merged *koanf.Koanf, m map[string]any) {
	for section, components := range m {
		named, _ := components.(map[string]any)
		for name, body := range named {
			component, _ := body.(map[string]any)
			path := section + merged.Delim() + name
			before := merged.Get(path + merged.Delim() + "type")
			if after := component["type"]; after != nil && before != nil && after != before {
				merged.Delete(path)
			}
		}
	}
}

// Redactor returns a Redactor of the secrets of the configuration.
func (c *Config) Redactor() *options.Redactor { return c.secrets }

// redacted returns problems with redacted texts. The decoder quotes no secret itself, but errors of
// the functions that it calls may.
func redacted(problems options.Problems, r *options.Redactor) options.Problems {
	for i := range problems {
		problems[i].Text = r.Text(problems[i].Text)
	}
	return problems
}

// Files returns the files that options of components name.
func (c *Config) Files() (files []options.File) {
	for _, s := range c.Graph.Sources {
		files = append(files, options.Files(s.Options)...)
	}
	for _, r := range c.Graph.Routes {
		for _, t := range r.Through {
			files = append(files, options.Files(t.Options)...)
		}
	}
	for _, s := range c.Graph.Sinks {
		files = append(files, options.Files(s.Options)...)
	}
	return files
}

// Locate returns an error of router.Plan as problems with their positions.
func (c *Config) Locate(err error) options.Problems {
	problems := redacted(c.locate(err), c.hidden)
	c.locations.addOrigins(problems, c.env)
	return problems
}

func (c *Config) locate(err error) options.Problems {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out options.Problems
		seen := map[options.Problem]bool{}
		for _, e := range joined.Unwrap() {
			for _, p := range c.locate(e) {
				if !seen[p] { // a transform is built for each of its routes
					seen[p] = true
					out = append(out, p)
				}
			}
		}
		return out
	}
	var be *router.BuildError
	if !errors.As(err, &be) {
		return options.Problems{{Text: err.Error()}}
	}
	path, text := string(be.Kind)+"s."+be.Name, be.Err.Error()
	at, _ := c.locations.find(path)
	var oe *plugin.OptionError
	if errors.As(be.Err, &oe) {
		path, text = options.Join(path, oe.Option), oe.Err.Error()
		_, at = c.locations.find(path)
	}
	return options.Problems{{Pos: at, Path: path, Text: text}}
}

// Position returns the position of a component of the graph.
func (c *Config) Position(kind plugin.Kind, name string) options.Pos {
	at, _ := c.locations.find(string(kind) + "s." + name)
	return at
}

// unselected reports whether path is in a component that no selected route uses.
func (g *graph) unselected(path string) bool {
	parts := strings.SplitN(path, ".", 3)
	if len(g.selected) == 0 || len(parts) < 2 {
		return false
	}
	switch parts[0] {
	case "sources", "transforms", "sinks", "routes":
		return !g.used[parts[0]+"."+parts[1]]
	}
	return false
}
