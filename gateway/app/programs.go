package app

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// programsVariable is the environment variable with the folder of manifests.
const programsVariable = "GATEWAY_PLUGINS"

// programs make plugin types of programs with a manifest.
type programs struct {
	source    func(childproc.Manifest) plugin.SourceType
	transform func(childproc.Manifest) plugin.TransformType
	sink      func(childproc.Manifest) plugin.SinkType
}

// Programs returns the feature that each manifest in the folder GATEWAY_PLUGINS becomes a plugin type of its own. The functions make
// the types.
func Programs(source func(childproc.Manifest) plugin.SourceType, transform func(childproc.Manifest) plugin.TransformType, sink func(childproc.Manifest) plugin.SinkType) Feature {
	return func(f *features) { f.programs = &programs{source, transform, sink} }
}

// addPrograms returns set with the types of the manifests in a folder; "" has none. It starts no program.
func addPrograms(set plugin.Set, folder string, with ...Feature) (plugin.Set, error) {
	f := &features{}
	for _, add := range with {
		add(f)
	}
	if folder == "" || f.programs == nil {
		return set, nil
	}
	manifests, err := childproc.ReadManifests(folder)
	if err != nil {
		return set, err
	}
	for _, m := range manifests {
		f.programs.add(&set, m)
	}
	if err := config.CheckPlugins(set); err != nil {
		return set, errors.Join(errors.New("a manifest conflicts with a plugin type or an option: rename its type or its option"), err)
	}
	return set, nil
}

// add adds the type of a manifest to set.
func (p *programs) add(set *plugin.Set, m childproc.Manifest) {
	switch m.Kind {
	case plugin.KindSource:
		set.Sources = append(set.Sources, p.source(m))
	case plugin.KindTransform:
		set.Transforms = append(set.Transforms, p.transform(m))
	case plugin.KindSink:
		set.Sinks = append(set.Sinks, p.sink(m))
	}
}

// check returns an error if a gateway would refuse the type of a manifest, such as for an option with a name of its own.
func (p *programs) check(m childproc.Manifest) error {
	if p == nil {
		return nil
	}
	var set plugin.Set
	p.add(&set, m)
	return config.CheckPlugins(set)
}

var unknownType = regexp.MustCompile(`^unknown (source|transform|sink) type .*\(known: `)

// hintAtPrograms returns err, the error of problems, with a hint where a type is unknown, perhaps because no folder of manifests is named.
func hintAtPrograms(err error, problems options.Problems) error {
	unknown := func(p options.Problem) bool { return unknownType.MatchString(p.Text) }
	if os.Getenv(programsVariable) != "" || !slices.ContainsFunc(problems, unknown) {
		return err
	}
	return fmt.Errorf("%w\nhint: a program with a manifest is a type where %s names its folder: export %s=FOLDER", err, programsVariable, programsVariable)
}
