package config

import (
	"strings"

	"eventgateway/gateway/options"
)

// Private says which private servers the configuration asks for: a URL that is
// the word "embedded".
func (c *Config) Private() (postgres, redis bool) {
	for _, p := range c.private {
		postgres = postgres || p.Server == "postgres"
		redis = redis || p.Server == "redis"
	}
	return postgres, redis
}

// privateURL is one of a component: "sinks.bus".
type privateURL struct {
	options.EmbeddedURL
	component string
}

// PrivateComponents returns the components with a private server: "sinks.bus".
func (c *Config) PrivateComponents() (names []string) {
	for _, p := range c.private {
		names = append(names, p.component)
	}
	return names
}

// SetPrivate puts the URLs of the private servers in the place of "embedded".
func (c *Config) SetPrivate(postgres, redis string) {
	for _, p := range c.private {
		switch p.Server {
		case "postgres":
			*p.URL = options.NewEmbeddedURL(postgres)
		case "redis":
			*p.URL = options.NewEmbeddedURL(redis)
		}
	}
	c.private = nil
}

// variable returns the name of the first variable that a value reads.
func variable(text string) string {
	_, inner, _ := strings.Cut(text, "${")
	name, _, _ := strings.Cut(inner, ":-")
	if name, _, _ = strings.Cut(name, "}"); name == "" {
		return "the server's URL"
	}
	return name
}

// privateServers collects the URLs that stand for private servers. Such a server
// must not hide that a variable was forgotten: where another URL does come from
// the environment, one that falls back to "embedded" is a problem, unless the
// file says the word itself.
func (g *graph) privateServers(cfg *Config, r Request) {
	forbidden, _, _ := r.Env.Lookup("GATEWAY_EMBEDDED")
	real := false
	type at struct {
		path string
		url  privateURL
	}
	var found []at
	collect := func(section, name string, opts any) {
		for _, u := range options.EmbeddedURLs(opts) {
			real = real || u.URL.FromEnv() && !u.URL.Embedded() && !u.URL.IsZero()
			if u.URL.Embedded() {
				found = append(found, at{options.Join(section+"."+name, u.Option), privateURL{u, section + "." + name}})
			}
		}
	}
	for _, s := range cfg.Graph.Sources {
		if !r.Offline {
			collect("sources", s.Name, s.Options)
		}
	}
	for _, s := range cfg.Graph.Sinks {
		if !r.Offline {
			collect("sinks", s.Name, s.Options)
		}
	}
	seen := map[string]bool{}
	for _, r := range cfg.Graph.Routes {
		for _, t := range r.Through {
			if !seen[t.Name] { // its routes share its options
				seen[t.Name] = true
				collect("transforms", t.Name, t.Options)
			}
		}
	}
	for _, f := range found {
		name := variable(cfg.places[f.path].text)
		switch {
		case forbidden == "off":
			g.dec.Report(f.path, false, "no server is given, and GATEWAY_EMBEDDED=off forbids a private one: set %s", name)
		case real && f.url.URL.FromEnv():
			g.dec.Report(f.path, false, "%s is not set, although another server is: set it, or write the word embedded here if you want a private server", name)
		}
		cfg.private = append(cfg.private, f.url)
	}
}
