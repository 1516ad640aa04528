package config_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

// compileSchema returns the schema of a configuration with all plugins. It is checked against the meta-schema of 2020-12.
func compileSchema(t *testing.T) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	raw := config.Schema(plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()})
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gateway.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("gateway.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s, doc.(map[string]any)
}

// validate checks YAML against the schema, as an editor does: aliases and << are resolved, variables are not.
func validate(s *jsonschema.Schema, text []byte) error {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestSchemaAcceptsExamples proves that the schema accepts each example configuration.
func TestSchemaAcceptsExamples(t *testing.T) {
	s, _ := compileSchema(t)
	files, err := filepath.Glob("../../../configs/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range append(files, "../../../gateway.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(s, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// onlyLoadRefuses lists the broken configurations that the schema accepts, by what is wrong: no schema of single options
// can say it.
var onlyLoadRefuses = map[string]string{
	"an expression, a template or a URL that cannot be parsed": "bad_expression bad_key bad_template bad_url_escape bad_url_port empty_expression",
	"a check that the type of the option or the plugin makes":  "bad_header bad_listen_text bad_origin bad_redis_database access_hashes http_token_short long_channel workers_of_a_single_writer leader_without_a_server",
	"several options of one component":                         "history_from_source no_channels options_that_exclude same_path_twice schedule_without_memory",
	"several components":                                       "dead_letter_cycle dead_letter_unknown log_components path_conflict poison replay_that_loses route_twice_same_sink route_unknown_names routes_else",
	"the values of variables":                                  "embedded_by_half http_token unset_variable variable_file_missing variable_of_wrong_type variable_syntax",
	"YAML beside its values":                                   "two_documents yaml_tag_block",
}

// TestSchemaRefusesBrokenConfigs proves that the schema refuses each broken configuration, unless onlyLoadRefuses says why
// it cannot.
func TestSchemaRefusesBrokenConfigs(t *testing.T) {
	s, _ := compileSchema(t)
	excused := map[string]bool{}
	for _, names := range onlyLoadRefuses {
		for name := range strings.FieldsSeq(names) {
			excused[name] = true
		}
	}
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if err := validate(s, text); (err == nil) != excused[name] {
			t.Errorf("%s: the schema says: %v", name, err)
		}
		delete(excused, name)
	}
	if len(excused) > 0 {
		t.Errorf("these files do not exist: %v", excused)
	}
}

// TestSchemaHasEveryOption proves that the schema has each option of each plugin, with its documentation, and the values
// that the decoder takes: variables, durations, sizes.
func TestSchemaHasEveryOption(t *testing.T) {
	s, doc := compileSchema(t)
	defs := doc["$defs"].(map[string]any)
	check := func(kind plugin.Kind, name string, defaults any) {
		properties := defs[string(kind)+"."+name].(map[string]any)["properties"].(map[string]any)
		for _, key := range options.Keys(defaults) {
			if properties[key] == nil {
				t.Errorf("%s %s: the schema has no option %s", kind, name, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			p := properties[key].(map[string]any)
			if p["description"] == nil && p["properties"] == nil && key != "type" {
				t.Errorf("%s %s: the option %s has no documentation", kind, name, key)
			}
		}
	}
	for _, p := range sources.All() {
		check(p.Kind(), p.Name(), p.Defaults())
	}
	for _, p := range transforms.All() {
		check(p.Kind(), p.Name(), p.Defaults())
	}
	for _, p := range sinks.All() {
		check(p.Kind(), p.Name(), p.Defaults())
	}
	for _, row := range config.SettingsRows() {
		node := doc
		for name := range strings.SplitSeq(row.Name, ".") {
			properties, _ := node["properties"].(map[string]any)
			node, _ = properties[name].(map[string]any)
		}
		if node["description"] == nil {
			t.Errorf("the schema has no option %s, or no documentation of it", row.Name)
		}
	}
	for settings, accepted := range map[string]bool{
		"tls: {cert: a, key: b, min_version: 1.3}": true, `tls: {min_version: "1.2"}`: true, "tls: {min_version: 1.1}": false, "tls: {client_auth: no}": false, "tls: {certs: a}": false,
		"admin: {users: {ada: {password: h, role: read}}}": true, "admin: {users: {ada: {password: h, role: reader}}}": false, "admin: {users: {ada: {role: read}}}": false,
		"admin: {certificates: {ops: admin}}": true, "admin: {tls: {cert: a}}": true, "admin: {pprof: 1}": false, "socket_access: all": true, "socket_access: none": false, "proxy_protocol: [10.0.0.0/8]": true,
	} {
		text := "http: {" + settings + "}\nsources: {a: {type: generate}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [a], to: [out]}}\n"
		if err := validate(s, []byte(text)); (err == nil) != accepted {
			t.Errorf("%s: %v", settings, err)
		}
	}
	const before, after = "sources: {a: {type: generate}}\nsinks: {out: {type: stdout, ", "}}\nroutes: {r: {from: [a], to: [out]}}\n"
	for option, accepted := range map[string]bool{
		"timeout: 5s": true, "timeout: 1h30m": true, "timeout: 7d": true, "timeout: 0.5s": true, `timeout: "${T:-5s}"`: true, "timeout: 5": false, "timeout: soon": false, "timeout: -5s": false,
		"queue: {bytes: 64MiB}": true, "queue: {bytes: 65536}": true, "queue: {bytes: 64 MB}": true, "queue: {bytes: 64mb}": false, "queue: {size: 10}": true, "queue: {size: -1}": false, `queue: {size: "${N}"}`: true, `queue: {size: "10"}`: false,
		"queue: {when_full: block}": true, "queue: {when_full: blok}": false, `queue: {when_full: "${W}"}`: true, "queue: {sice: 1}": false,
		"best_effort: true": true, `best_effort: "yes"`: false, "retry: {schedule: [5s, 5m]}": true, "retry: {schedule: 5s}": false, `retry: {schedule: "${S}"}`: true,
		"workers: 0": false, "workers: 1001": false, "dead_letter: out": true, "dead_letter: 5": false, "nonsense: 1": false,
	} {
		if err := validate(s, []byte(before+option+after)); (err == nil) != accepted {
			t.Errorf("%s: %v", option, err)
		}
	}
}
