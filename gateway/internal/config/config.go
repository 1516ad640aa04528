package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Config is a configuration without problems.
type Config struct {
	HTTP  HTTP
	Log   Log
	Graph router.Graph
	Tests []Test
	// Warnings are what looks wrong around it and is no reason not to use it.
	Warnings options.Problems

	places  places
	env     Env
	secrets *options.Redactor // of all components, and of http
	hidden  *options.Redactor // these, and what variables hold
	private []privateURL
}

// Request says what to load.
type Request struct {
	Files   []string // the later wins
	Pipes   Pipes    // what stands for those of them that are pipes
	Env     Env
	Plugins plugin.Set
	Routes  []string // only these; empty: all
	// Offline has the variables that sources and sinks lack be no problem: none of
	// them is going to be built.
	Offline bool
}

// Load reads, merges and decodes files. Where there are problems it returns all
// of them, sorted by place, and no Config.
func Load(r Request) (*Config, options.Problems) {
	all := places{}
	var problems options.Problems
	merged := koanf.New("\x00") // a delimiter that no name contains
	r.Env = r.Env.remembering()
	for _, file := range r.Files {
		text, err := r.Pipes.Read(file)
		if err != nil {
			problems = append(problems, options.Problem{Pos: options.Pos{File: file}, Text: fmt.Sprintf("cannot be read: %v", err)})
			continue
		}
		p := parser{file: file, env: r.Env, places: places{}, open: map[*yaml.Node]bool{}}
		m := p.parse(text)
		problems = append(problems, p.problems...)
		replaceTypes(merged, m)
		if err := merged.Load(confmap.Provider(m, ""), nil); err != nil {
			problems = append(problems, options.Problem{Pos: options.Pos{File: file}, Text: err.Error()})
		}
		for path, at := range p.places {
			all[path] = at
		}
	}
	raw := merged.Raw()
	if len(problems) > 0 && len(raw) == 0 {
		return nil, problems
	}
	g := graph{dec: &options.Decoder{Locate: all.find}, plugins: r.Plugins, values: all.values()}
	if password, _, _ := r.Env.Lookup("PGPASSWORD"); password != "" { // the library takes it where a URL has none
		g.secrets, g.outside = append(g.secrets, password), 1
	}
	cfg := g.decode(raw, r.Routes)
	cfg.places, cfg.env = all, r.Env
	cfg.secrets, cfg.hidden = options.NewRedactor(g.secrets...), options.NewRedactor(append(g.secrets, g.values.all()...)...)
	g.privateServers(cfg, r)
	// An empty token must not open what it was meant to close; ${TOKEN:-} says that none is meant.
	if at, given := all[adminToken]; given && cfg.HTTP.Admin.Token.IsZero() && !strings.Contains(at.text, ":-}") {
		g.dec.Report(adminToken, false, "is empty: set the variable or the file that holds it, or leave the option out")
	}
	for _, p := range problems {
		if !g.left(p.Path) && !(r.Offline && standIn(p.Path)) {
			g.dec.Problems = append(g.dec.Problems, p)
		}
	}
	if len(g.dec.Problems) > 0 {
		g.dec.Problems.Sort()
		all.originate(g.dec.Problems, r.Env)
		return nil, redacted(g.dec.Problems, cfg.hidden)
	}
	return cfg, nil
}

// adminToken is the path of the secret that opens /api.
const adminToken = "http.admin.token"

// standIn says whether path lies in a source or sink, of which there is a stand-in
// where nothing is connected to.
func standIn(path string) bool {
	return strings.HasPrefix(path, "sources.") || strings.HasPrefix(path, "sinks.")
}

// replaceTypes forgets the components of earlier files to which m gives another
// type: their options mean nothing to it.
func replaceTypes(merged *koanf.Koanf, m map[string]any) {
	for section, components := range m {
		named, _ := components.(map[string]any)
		for name, body := range named {
			fresh, _ := body.(map[string]any)
			path := section + merged.Delim() + name
			before := merged.Get(path + merged.Delim() + "type")
			if after := fresh["type"]; after != nil && before != nil && after != before {
				merged.Delete(path)
			}
		}
	}
}

// Redactor hides the secrets of the configuration.
func (c *Config) Redactor() *options.Redactor { return c.secrets }

// redacted returns problems whose texts do not have what r hides. The decoder repeats no
// secret itself; this is for errors of what it calls.
func redacted(problems options.Problems, r *options.Redactor) options.Problems {
	for i := range problems {
		problems[i].Text = r.Text(problems[i].Text)
	}
	return problems
}

// Locate turns what router.New returned into problems with their places.
func (c *Config) Locate(err error) options.Problems {
	problems := redacted(c.locate(err), c.hidden)
	c.places.originate(problems, c.env)
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
	at, _ := c.places.find(path)
	var oe *plugin.OptionError
	if errors.As(be.Err, &oe) {
		path, text = options.Join(path, oe.Option), oe.Err.Error()
		_, at = c.places.find(path)
	}
	return options.Problems{{Pos: at, Path: path, Text: text}}
}

// Place returns where a component of the graph stands.
func (c *Config) Place(kind plugin.Kind, name string) options.Pos {
	at, _ := c.places.find(string(kind) + "s." + name)
	return at
}

// left says whether path lies in a component that is not loaded.
func (g *graph) left(path string) bool {
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
