package childproc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Manifest describes a program, as `PROGRAM --describe` prints it.
type Manifest struct {
	Protocol     int              `json:"protocol"`
	Kind         plugin.Kind      `json:"kind"`
	Name         string           `json:"name"`
	Summary      string           `json:"summary"`
	Options      []ManifestOption `json:"options"`
	Capabilities []string         `json:"capabilities"`
	// Command runs the program; the files in it are relative to the folder of the manifest. Without it, the program is the file
	// beside the manifest.
	Command []string `json:"command"`
}

// ManifestOption is an option of a program.
type ManifestOption struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Doc      string          `json:"doc"`
	Required bool            `json:"required"`
	Default  json.RawMessage `json:"default"`
}

// The capabilities that a program may have.
const (
	Durable      = "durable"
	Gaps         = "gaps"
	Acks         = "acks"
	Stateful     = "stateful"
	Deduplicates = "deduplicates"
)

var capabilitiesOf = map[plugin.Kind][]string{
	plugin.KindSource: {Acks}, plugin.KindTransform: {Stateful, Deduplicates}, plugin.KindSink: {Durable, Gaps},
}

// Has reports whether the program has a capability.
func (m *Manifest) Has(capability string) bool { return slices.Contains(m.Capabilities, capability) }

const (
	maxManifest     = 1 << 20 // bytes
	longestDoc      = 100     // bytes of the text of an option
	describeTimeout = 10 * time.Second
)

// ParseManifest parses a description.
func ParseManifest(text []byte) (m Manifest, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("the description does not match the protocol: %w", err)
	}
	return m, m.check()
}

var validType = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// check returns the problems of the description as one error.
func (m *Manifest) check() error {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if m.Protocol != Version {
		report("protocol is %d: this gateway speaks version %d", m.Protocol, Version)
	}
	known, ok := capabilitiesOf[m.Kind]
	if !ok {
		report("kind is %q: write source, transform or sink", m.Kind)
	}
	if !validType.MatchString(m.Name) {
		report("name is %q: use up to 63 lower case letters, digits and -, a letter first", m.Name)
	}
	if strings.TrimSpace(m.Summary) == "" || strings.Contains(m.Summary, "\n") {
		report("summary is missing, or has more than one line: write one line")
	}
	for _, c := range m.Capabilities {
		if ok && !slices.Contains(known, c) {
			report("a %s has no capability %q: there is %s", m.Kind, c, strings.Join(known, ", "))
		}
	}
	for _, o := range m.Options {
		if err := o.check(); err != nil {
			report("option %q: %w", o.Name, err)
		}
	}
	if len(problems) == 0 {
		for _, text := range options.Lint(m.newOptions().Interface()) {
			report("%s", text)
		}
	}
	return errors.Join(problems...)
}

func (o *ManifestOption) check() error {
	t, ok := optionTypes[o.Type]
	switch {
	case !ok:
		return fmt.Errorf("there is no type %q: write text, integer, bool, duration, size, secret, url, list or map", o.Type)
	case o.Doc == "" || len(o.Doc) > longestDoc:
		return fmt.Errorf("doc is missing, or longer than %d bytes: write a short text", longestDoc)
	case strings.ContainsAny(o.Doc, "\n|"):
		return errors.New("doc has a line break or a |: remove it")
	}
	if o.Default == nil {
		return nil
	}
	_, err := t.decode(o.Default)
	return err
}

// Describe runs a program with --describe.
func Describe(ctx context.Context, command []string, env []string) (Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), "--describe")...)
	cmd.Env, cmd.WaitDelay = append([]string{}, env...), time.Second
	out := &bounded{max: maxManifest}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return Manifest{}, fmt.Errorf("cannot run %s --describe: %w", command[0], err)
	}
	return ParseManifest(out.b.Bytes())
}

// bounded is a buffer whose Write fails beyond max bytes.
type bounded struct {
	b   bytes.Buffer
	max int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.b.Len()+len(p) > b.max {
		return 0, errors.New("the output is too long")
	}
	return b.b.Write(p)
}

// ReadManifests reads the manifests in a folder: files whose names end with .json.
func ReadManifests(folder string) (all []Manifest, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot read the folder of programs: %w", err)
	}
	folder, err = filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || e.IsDir() {
			continue
		}
		path := filepath.Join(folder, e.Name())
		text, err := options.ReadFile(path, maxManifest)
		var m Manifest
		if err == nil {
			m, err = ParseManifest(text)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
			continue
		}
		if len(m.Command) == 0 {
			m.Command = []string{filepath.Join(folder, base)}
		}
		for i, arg := range m.Command {
			if strings.HasPrefix(arg, "./") {
				m.Command[i] = filepath.Join(folder, arg)
			}
		}
		all = append(all, m)
	}
	return all, errors.Join(problems...)
}
