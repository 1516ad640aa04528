package config

import (
	"strings"

	"eventgateway/gateway/options"
)

// Embedded reports which embedded servers the configuration needs: a URL is the word
// "embedded".
func (c *Config) Embedded() (postgres, redis bool) {
	for _, p := range c.embedded {
		postgres = postgres || p.Server == "postgres"
		redis = redis || p.Server == "redis"
	}
	return postgres, redis
}

// embeddedURL is a URL of a component, such as "sinks.bus", that is the word "embedded".
type embeddedURL struct {
	options.EmbeddedURL
	component string
}

// EmbeddedComponents returns the components with an embedded server, such as "sinks.bus".
func (c *Config) EmbeddedComponents() (names []string) {
	for _, p := range c.embedded {
		names = append(names, p.component)
	}
	return names
}

// SetEmbeddedURLs replaces the word "embedded" by the URLs of the embedded servers.
func (c *Config) SetEmbeddedURLs(postgres, redis string) {
	for _, p := range c.embedded {
		switch p.Server {
		case "postgres":
			*p.URL = options.NewEmbeddedURL(postgres)
		case "redis":
			*p.URL = options.NewEmbeddedURL(redis)
		}
	}
	c.embedded = nil
}

// firstVariable returns the name of the first variable in a value.
func firstVariable(text string) string {
	_, inner, _ := strings.Cut(text, "${")
	name, _, _ := strings.Cut(inner, ":-")
	if name, _, _ = strings.Cut(name, "}"); name == "" {
		return "the server's URL"
	}
	return name
}

// collectEmbedded collects the URLs that are the word "embedded". An embedded server must
// not hide a missing variable: if another URL comes from the environment, a default
// "embedded" is a problem, unless it is a literal in the file.
func (g *graph) collectEmbedded(cfg *Config, r Request) {
	forbidden, _, _ := r.Env.Lookup("GATEWAY_EMBEDDED")
	real := false
	type at struct {
		path string
		url  embeddedURL
	}
	var found []at
	collect := func(section, name string, opts any) {
		for _, u := range options.EmbeddedURLs(opts) {
			real = real || u.URL.FromEnv() && !u.URL.Embedded() && !u.URL.IsZero()
			if u.URL.Embedded() {
				found = append(found, at{options.Join(section+"."+name, u.Option), embeddedURL{u, section + "." + name}})
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
			if !seen[t.Name] { // several routes share its options
				seen[t.Name] = true
				collect("transforms", t.Name, t.Options)
			}
		}
	}
	for _, f := range found {
		name := firstVariable(cfg.locations[f.path].text)
		switch {
		case forbidden == "off":
			g.dec.Report(f.path, false, "no server is given, and GATEWAY_EMBEDDED=off forbids an embedded one: set %s", name)
		case real && f.url.URL.FromEnv():
			g.dec.Report(f.path, false, "%s is not set, although another server is: set it, or write the word embedded here for an embedded server", name)
		}
		cfg.embedded = append(cfg.embedded, f.url)
	}
}
