package config

import (
	"maps"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Schema returns the JSON Schema (2020-12) of a whole configuration with the plugins of set. What depends on several
// options, such as the names of components in routes, only [Load] checks.
func Schema(set plugin.Set) map[string]any {
	s, test := defaultSettings(), defaultTest()
	root := options.Schema(&s)
	defs := map[string]any{}
	properties := root["properties"].(map[string]any)
	properties["sources"] = named(kindSchema(defs, set.Sources, func(t plugin.SourceType) []any { return []any{&router.Capture{}} }), true)
	properties["transforms"] = named(kindSchema(defs, set.Transforms, func(t plugin.TransformType) []any {
		failure, collect := router.DefaultFailure(), router.DefaultCollect()
		if _, ok := t.AsBatch(); ok {
			return []any{&failure, &collect}
		}
		return []any{&failure}
	}), true)
	properties["sinks"] = named(kindSchema(defs, set.Sinks, func(plugin.SinkType) []any { d := delivery.DefaultOptions(); return []any{&d} }), true)
	properties["routes"] = named(options.Schema(&routeOptions{}), true)
	properties["routes"].(map[string]any)["minProperties"] = 1
	properties["tests"] = named(options.Schema(&test), false)
	maps.Copy(root, map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of the event gateway",
		"required": []string{"routes"}, "patternProperties": map[string]any{"^x-": true}, "$defs": defs,
	})
	return root
}

// named returns the schema of a mapping from names to what s allows. checked says that the names are those of components or routes.
func named(s map[string]any, checked bool) map[string]any {
	m := map[string]any{"type": "object", "additionalProperties": s}
	if checked {
		m["propertyNames"] = map[string]any{"pattern": validName.String()}
	}
	return m
}

// kindSchema returns the schema of a component of one kind, and adds those of its types to defs. more returns the
// options that a component of a type has beside those of its plugin.
func kindSchema[T any](defs map[string]any, types []plugin.Type[T], more func(plugin.Type[T]) []any) map[string]any {
	var known, each []any
	for _, t := range types {
		name := string(t.Kind()) + "." + t.Name()
		def := options.Schema(append(more(t), &header{}, t.Defaults())...)
		def["properties"].(map[string]any)["type"] = map[string]any{"const": t.Name()}
		def["description"] = t.Summary()
		defs[name] = def
		known = append(known, map[string]any{"const": t.Name(), "description": t.Summary()})
		each = append(each, map[string]any{
			"if":   map[string]any{"required": []string{"type"}, "properties": map[string]any{"type": map[string]any{"const": t.Name()}}},
			"then": map[string]any{"$ref": "#/$defs/" + name},
		})
	}
	return map[string]any{
		"type": "object", "required": []string{"type"},
		"properties": map[string]any{"type": map[string]any{"anyOf": append(known, options.SchemaVariable())}},
		"allOf":      each,
	}
}
