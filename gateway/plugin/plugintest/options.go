package plugintest

import (
	"context"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

const (
	ruleOptions        = "every option is documented, and can be decoded"
	ruleDefaults       = "Defaults returns new and valid options each time"
	ruleReadme         = "README.md has the table of the options"
	ruleInvalidOptions = "invalid options are refused, with their position"
)

func (s subject[T]) checkOptions(c *check) {
	for _, text := range options.Lint(s.typ.Defaults()) {
		c.Errorf("%s", text)
	}
	for _, key := range options.Keys(s.typ.Defaults()) {
		if slices.Contains(plugin.ReservedOptions(s.typ.Kind()), key) {
			c.Errorf("option %s: the name is reserved for the router", key)
		}
	}
}

func (s subject[T]) checkDefaults(c *check) {
	a, b := s.typ.Defaults(), s.typ.Defaults()
	if v := reflect.ValueOf(a); v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		c.Fatalf("the options are %T: make them a struct", a)
	}
	if text := sharedReference(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), ""); text != "" {
		c.Errorf("two calls of Defaults return the same %s: a change of one changes the other", text)
	}
	var d options.Decoder
	_ = c.call(c.ctx, "Check", func(context.Context) error { d.Decode("", map[string]any{}, a); return nil })
	if len(options.Lint(b)) > 0 {
		return
	}
	for _, r := range options.Rows(b) {
		if r.Default == "" || r.Default == "0" || r.Default == "required" { // not set
			continue
		}
		for _, p := range d.Problems {
			if p.Path == r.Name && !strings.Contains(p.Text, "required") && !strings.Contains(p.Text, "needs") {
				c.Errorf("the default of %s is invalid: %s", r.Name, p.Text)
			}
		}
	}
}

// sharedReference returns the path of a slice, a map or a pointer that a and b share; "" for none.
func sharedReference(a, b reflect.Value, at string) string {
	switch a.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		if !a.IsNil() && a.Pointer() == b.Pointer() && (a.Kind() != reflect.Slice || a.Len() > 0) {
			return at
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() {
				if text := sharedReference(a.Field(i), b.Field(i), strings.TrimPrefix(at+"."+f.Name, ".")); text != "" {
					return text
				}
			}
		}
	}
	return ""
}

// table matches the table of the options in a README.
var table = regexp.MustCompile(`(?s)\| option \| type \| default \| meaning \|\n.*?(\n\n|\z)`)

func (s subject[T]) checkReadme(c *check) {
	if len(options.Lint(s.typ.Defaults())) > 0 {
		c.Skip("the options have no table")
	}
	name, want := c.suite.readme, options.Markdown(options.Rows(s.typ.Defaults()))
	text, err := os.ReadFile(name)
	readme := string(text)
	switch {
	case strings.Contains(readme, want):
		return
	case os.Getenv("PLUGINTEST_UPDATE") == "" && err != nil:
		c.Fatalf("%v (PLUGINTEST_UPDATE=1 writes it)", err)
	case os.Getenv("PLUGINTEST_UPDATE") == "" && !table.MatchString(readme):
		c.Fatalf("%s has no table of the options (PLUGINTEST_UPDATE=1 writes it)", name)
	case os.Getenv("PLUGINTEST_UPDATE") == "":
		c.Fatalf("%s has an old table of the options (PLUGINTEST_UPDATE=1 writes it)", name)
	case err != nil:
		readme = "# " + s.typ.Name() + "\n\n" + s.typ.Summary() + "\n\n" + want
	case table.MatchString(readme):
		readme = table.ReplaceAllLiteralString(readme, want+"\n")
	default:
		readme = strings.TrimRight(readme, "\n") + "\n\n" + want
	}
	if err := os.WriteFile(name, []byte(strings.TrimRight(readme, "\n")+"\n"), 0o644); err != nil {
		c.Fatal(err)
	}
}

// checkBuild builds with invalid options, and while no server is available.
func (s subject[T]) checkBuild(c *check) {
	try := func(what string, opts any) (built bool) {
		began := time.Now()
		i, err := tryBuild(c, s.typ, Name, opts)
		if err == nil {
			i.ensureClosed()
		}
		if d := time.Since(began); d > c.suite.returnTimeout/2 {
			c.Errorf("Build with %s takes %v", what, d.Round(time.Millisecond))
		}
		return err == nil
	}
	try("the defaults", s.typ.Defaults())
	try("no options at all", reflect.New(reflect.TypeOf(s.typ.Defaults()).Elem()).Interface())
	for _, extreme := range []int64{-1, 0, 1 << 62} {
		opts := optionsOf(c, s.typ, s.reachable)
		eachNumber(reflect.ValueOf(opts).Elem(), func(v reflect.Value) {
			switch {
			case v.CanInt():
				v.SetInt(extreme)
			case v.CanUint():
				v.SetUint(uint64(max(extreme, 0)))
			default:
				v.SetFloat(float64(extreme))
			}
		})
		var d options.Decoder
		d.Decode("", map[string]any{}, opts) // it finds numbers outside their bounds
		if len(d.Problems) == 0 {
			try("extreme numbers", opts)
		}
	}
	opts := optionsOf(c, s.typ, s.reachable)
	watched := newProxy(c, "")
	if len(addresses(opts, func(string) string { return watched.addr })) > 0 {
		if !try("a server that does not answer", opts) {
			c.Errorf("Build fails while its server does not answer: connect in Open or Run")
		}
		watched.mu.Lock()
		defer watched.mu.Unlock()
		if watched.accepted > 0 {
			c.Errorf("Build connects to the server: connect in Open or Run")
		}
	}
	if s.unreachable != nil && !try("an unavailable server", optionsOf(c, s.typ, s.unreachable)) {
		c.Errorf("Build fails while its server is unavailable: connect in Open or Run")
	}
}

func eachNumber(v reflect.Value, f func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64, reflect.Float64:
		f(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachNumber(v.Field(i), f)
			}
		}
	}
}

// checkInvalidOptions builds with each of the invalid options.
func (s subject[T]) checkInvalidOptions(c *check) {
	bad := map[string]string{`{no_such_option_: 1}`: "no_such_option_: unknown option"}
	for text, want := range s.invalidOptions {
		bad[text] = want
	}
	for text, want := range bad {
		i, err := configure(c, s.typ, text)
		if err == nil {
			i.ensureClosed()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			c.Errorf("%s: the error is %v, want %q", text, err, want)
		}
	}
	if len(options.Lint(s.typ.Defaults())) > 0 {
		return
	}
	for _, r := range options.Rows(s.typ.Defaults()) {
		s.checkWrongType(c, r)
	}
}

// checkWrongType decodes a mapping into an option of another type.
func (s subject[T]) checkWrongType(c *check, r options.Row) {
	if r.Type == "anything" || strings.Contains(r.Name, ".") {
		return
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(r.Name+": {a: {b: [1]}}"), &node); err != nil {
		return
	}
	opts, err := decode(c, s.typ, node.Content[0])
	if err == nil && !strings.HasPrefix(r.Type, "mapping") {
		c.Errorf("the option %s accepts a mapping: %+v", r.Name, opts)
	}
}

// setYAML sets the options of a type to those in YAML. It panics if they are invalid.
func setYAML[T any](typ plugin.Type[T], opts any, text string) {
	body, err := parse(text)
	if err != nil {
		panic(err)
	}
	made, err := decode(nil, typ, body)
	if err != nil {
		panic(err)
	}
	copyOptions(opts, made)
}

// hasServer reports whether options, once set has set them, have the address of a server.
func hasServer(opts any, set func(any)) (has bool) {
	defer func() { _ = recover() }() // a rule finds invalid options
	set(opts)
	return len(addresses(opts, nil)) > 0
}
