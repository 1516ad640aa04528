// Package state stores the small values that components keep over a restart: see [plugin.State].
//
// Invariants:
//   - A value is stored as a whole or not at all, whenever the process or the machine ends.
//   - A value that was put by the leader of a term is never replaced by one of an earlier term.
//   - A component that does not use its state costs no file, connection or goroutine.
package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Scope names whose state it is: "source/NAME", "sink/NAME" or "route/NAME/transform/NAME".
type Scope string

// SourceScope, SinkScope and TransformScope return the scopes of components.
func SourceScope(name string) Scope { return Scope("source/" + name) }

// SinkScope returns the scope of a sink.
func SinkScope(name string) Scope { return Scope("sink/" + name) }

// TransformScope returns the scope of a transform of a route.
func TransformScope(route, name string) Scope { return Scope("route/" + route + "/transform/" + name) }

// Term returns the term of the leadership under which a component runs, 0 if it has none. It fails if the leadership is lost.
type Term func() (int64, error)

// NoTerm is the [Term] of a component without a leadership.
func NoTerm() (int64, error) { return 0, nil }

// Store stores the state of all components.
type Store interface {
	// get returns the value of a key; nil if there is none.
	get(ctx context.Context, scope Scope, key string) ([]byte, error)
	// put stores a value, or deletes the key if the value is empty. It fails by [fenced] if a later term has put one into the scope.
	put(ctx context.Context, scope Scope, key string, value []byte, term int64) error
	// Prepare makes the store ready, and returns an error that names an option if it can never work. A server that is not
	// reached is no such error.
	Prepare(ctx context.Context) error
	// Probe inspects the store for `gateway check --live`. It changes nothing.
	Probe(ctx context.Context) []plugin.Finding
	// Close releases connections.
	Close()
}

// New returns the store that options ask for. It does no I/O.
func New(o Options) (Store, error) {
	switch o.URL.Scheme() {
	case "":
		return &fileStore{dir: o.Path}, nil
	case "postgres", "postgresql":
		return newPostgres(o)
	}
	return newRedis(o)
}

// Of returns the state of one component, which its plugin gets.
func Of(store Store, scope Scope, term Term) plugin.State { return &component{store, scope, term} }

// component is the state of one component.
type component struct {
	store Store
	scope Scope
	term  Term
}

// Get is part of [plugin.State].
func (c *component) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := c.store.get(ctx, c.scope, storedKey(key))
	if err != nil {
		return nil, fmt.Errorf("cannot read the state %q of %s: %w", key, c.scope, err)
	}
	return value, nil
}

// Put is part of [plugin.State].
func (c *component) Put(ctx context.Context, key string, value []byte) error {
	if err := plugin.CheckState(key, value); err != nil {
		return err
	}
	term, err := c.term()
	if err == nil {
		err = c.store.put(ctx, c.scope, storedKey(key), value, term)
	}
	if err != nil {
		return fmt.Errorf("cannot store the state %q of %s: %w", key, c.scope, err)
	}
	return nil
}

var plainKey = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,99}$`)

// storedKey returns the key under which a store keeps a key of a component: a name that a file can have. A plain key is itself. Any other
// one is = and its bytes in hexadecimal digits, or =sha256- and its hash if it has more than 100 bytes.
func storedKey(key string) string {
	switch {
	case plainKey.MatchString(key):
		return key
	case len(key) <= 100:
		return "=" + hex.EncodeToString([]byte(key))
	}
	hash := sha256.Sum256([]byte(key))
	return "=sha256-" + hex.EncodeToString(hash[:])
}

// fenced returns the error of an earlier leader.
func fenced(term, known int64) error {
	return plugin.Fenced(fmt.Errorf("a leader of term %d has stored it, and this one has term %d", known, term), known)
}

// Memory returns a store whose values end with the process, for `gateway test`.
func Memory() Store { return &memory{values: map[string][]byte{}, terms: map[Scope]int64{}} }

type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	terms  map[Scope]int64
}

func (m *memory) get(_ context.Context, scope Scope, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]byte(nil), m.values[string(scope)+"/"+key]...), nil
}

func (m *memory) put(_ context.Context, scope Scope, key string, value []byte, term int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.terms[scope]; term > 0 && known > term {
		return fenced(term, known)
	}
	m.terms[scope] = max(term, m.terms[scope])
	if len(value) == 0 {
		delete(m.values, string(scope)+"/"+key)
		return nil
	}
	m.values[string(scope)+"/"+key] = append([]byte(nil), value...)
	return nil
}

// Prepare is part of [Store].
func (m *memory) Prepare(context.Context) error { return nil }

// Probe is part of [Store].
func (m *memory) Probe(context.Context) []plugin.Finding { return nil }

// Close is part of [Store].
func (m *memory) Close() {}

// Options say where the state is stored.
type Options struct {
	Path string      `koanf:"path" doc:"folder for the state of components"`
	URL  options.URL `koanf:"url" rule:"scheme=redis|rediss|redis-sentinel|rediss-sentinel|redis-cluster|rediss-cluster|postgres|postgresql" doc:"Redis or PostgreSQL for it, instead of a folder"`
	Name string      `koanf:"name" rule:"required,max=60" doc:"name of this gateway at the server; replicas that share the state have the same name"`
}

// DefaultOptions returns the defaults. The path depends on the environment.
func DefaultOptions() Options { return Options{Name: "gateway"} }

// Text returns a text that is the same for options that are equal. It holds secrets.
func (o Options) Text() string { return o.Path + "\n" + o.URL.Reveal() + "\n" + o.Name }

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"path": "The default is the folder `state` in `$STATE_DIRECTORY`, which systemd sets, and else a folder beside the first configuration file: `gateway.yaml.state`",
		"url":  "It has the URLs of the redis and postgres plugins. In PostgreSQL the gateway creates the table `gateway_state`",
	}
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if o.Path != "" && !o.URL.IsZero() {
		report("path", "the state is either in a folder or at a server: leave out path or url")
	}
	if !o.URL.IsZero() {
		if _, err := New(*o); err != nil {
			report("url", err.Error())
		}
	}
}

// errClosed is the error of a store that was closed.
var errClosed = errors.New("the gateway is stopping")
