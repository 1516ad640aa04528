package app

import (
	"errors"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/internal/config"
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
		switch m.Kind {
		case plugin.KindSource:
			set.Sources = append(set.Sources, f.programs.source(m))
		case plugin.KindTransform:
			set.Transforms = append(set.Transforms, f.programs.transform(m))
		case plugin.KindSink:
			set.Sinks = append(set.Sinks, f.programs.sink(m))
		}
	}
	if err := config.CheckPlugins(set); err != nil {
		return set, errors.Join(errors.New("a manifest conflicts with a plugin type or an option: rename its type or its option"), err)
	}
	return set, nil
}
