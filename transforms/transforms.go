// Package transforms lists the transforms that come with the gateway.
package transforms

import (
	"eventgateway/gateway/plugin"
	"eventgateway/transforms/filter"
	"eventgateway/transforms/json"
	"eventgateway/transforms/set"
)

// All returns the types of all transforms.
func All() []plugin.TransformType {
	return []plugin.TransformType{filter.Type(), json.Type(), set.Type()}
}
