package childproc

import (
	"bytes"
	"encoding/json"
	"time"

	"eventgateway/gateway/options"
)

// Config are the options of each component of type exec. A plugin embeds them in its own.
type Config struct {
	Command []string                    `koanf:"command" rule:"min=1" doc:"program and its arguments, such as [python3, sink.py]; no shell reads them"`
	Options any                         `koanf:"options" doc:"options of the program, a mapping; they are in its first line of input"`
	Secrets options.Map[options.Secret] `koanf:"secrets" doc:"further options of the program, whose values are never shown"`
	Limits
}

// Check is part of [options.Checker]; an options struct that embeds Config calls it.
func (o *Config) Check(report func(option, text string)) {
	if len(o.Command) > 0 && o.Command[0] == "" {
		report("command", "has an empty program: name one, such as [python3, sink.py]")
	}
	of, ok := o.Options.(map[string]any)
	if !ok && o.Options != nil {
		report("options", "must be a mapping: write options: {name: value}")
	}
	for _, s := range o.Secrets {
		if _, twice := of[s.Key]; twice {
			report("secrets."+s.Key, "is in options, too: remove it from there")
		}
	}
}

// Limits are the options of the process, also of a program with a manifest.
type Limits struct {
	Env          options.Map[options.Secret] `koanf:"env" doc:"all environment variables of the program: {PATH: '${PATH}'}"`
	Dir          string                      `koanf:"dir" doc:"working directory; without it that of the gateway"`
	Memory       options.Size                `koanf:"memory" rule:"max=1024GiB" doc:"most address space of each of its processes, on Linux; 0: no limit"`
	MaxLine      options.Size                `koanf:"max_line" rule:"min=4KiB,max=1GiB" doc:"longest line of input or output"`
	StartTimeout options.Duration            `koanf:"start_timeout" rule:"min=10ms,max=10m" doc:"most time from the start of the program until it is ready"`
	StopTimeout  options.Duration            `koanf:"stop_timeout" rule:"min=10ms,max=10m" doc:"most time from the end of its input until the program ends; then it is killed"`
}

// Defaults returns the defaults of the options.
func Defaults() Limits {
	return Limits{MaxLine: 16 << 20, StartTimeout: options.Duration(10 * time.Second), StopTimeout: options.Duration(5 * time.Second)}
}

// Docs is part of [options.Documented].
func (Limits) Docs() map[string]string {
	return map[string]string{
		"env":      "The values are never shown",
		"memory":   "The limit is set when the program has started (RLIMIT_AS). A program in Go or Java reserves far more than it uses",
		"max_line": "A batch is cut into lines of this length. An event that is longer is a dead letter",
	}
}

// hello returns the options of the program as one JSON object.
func (o *Config) hello() (json.RawMessage, error) {
	all := map[string]any{}
	if of, ok := o.Options.(map[string]any); ok {
		for name, value := range of {
			all[name] = value
		}
	}
	for _, s := range o.Secrets {
		all[s.Key] = s.Value.Reveal()
	}
	return marshal(all)
}

// marshal returns v as JSON, which is not escaped for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
