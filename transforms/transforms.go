// Package transforms lists the transforms that come with the gateway.
package transforms

import (
	"eventgateway/gateway/childproc"
	"eventgateway/gateway/plugin"
	"eventgateway/transforms/batch"
	"eventgateway/transforms/cloudevents"
	"eventgateway/transforms/dedupe"
	"eventgateway/transforms/exec"
	"eventgateway/transforms/filter"
	"eventgateway/transforms/json"
	"eventgateway/transforms/lookup"
	"eventgateway/transforms/mapping"
	"eventgateway/transforms/mask"
	"eventgateway/transforms/remove"
	"eventgateway/transforms/rename"
	"eventgateway/transforms/sample"
	"eventgateway/transforms/schema"
	"eventgateway/transforms/set"
	"eventgateway/transforms/split"
	"eventgateway/transforms/throttle"
	"eventgateway/transforms/wasm"
	"eventgateway/transforms/window"
)

// All returns the types of all transforms.
func All() []plugin.TransformType {
	return []plugin.TransformType{
		batch.Type(), cloudevents.Type(), dedupe.Type(), exec.Type(), filter.Type(), json.Type(), lookup.Type(), mapping.Type(), mask.Type(),
		remove.Type(), rename.Type(), sample.Type(), schema.Type(), set.Type(), split.Type(), throttle.Type(), wasm.Type(), window.Type(),
	}
}

// Program returns the type of a transform that is a program with a manifest.
func Program(m childproc.Manifest) plugin.TransformType { return exec.Program(m) }
