// Command gateway carries events from sources through transforms to sinks, as a
// YAML file configures them. To add plugins of your own, copy this file and add
// their imports.
package main

import (
	"eventgateway/gateway/app"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

func main() {
	app.Main(plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()},
		app.Programs(sources.Program, transforms.Program, sinks.Program))
}
