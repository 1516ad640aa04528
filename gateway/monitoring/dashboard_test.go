package monitoring

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const dashboardFile = "../../configs/grafana/dashboard.json"

// object is an object of JSON.
type object = map[string]any

var datasource = object{"type": "prometheus", "uid": "${datasource}"}

// TestDashboardIsWritten proves that the dashboard is that of the rows and of metrics.md, and that each metric is in one of its panels
// or in leftOut.
func TestDashboardIsWritten(t *testing.T) {
	table := readMetrics(t)
	shown := map[string]bool{}
	for _, r := range rows {
		for _, p := range r.panels {
			for _, m := range table.metrics(t, p) {
				shown[m.name] = true
			}
		}
	}
	for name := range table {
		if reason := leftOut[name]; shown[name] == (reason != "") {
			t.Errorf("%s: add it to a panel of rows, or to leftOut with the reason; in a panel: %v", name, shown[name])
		}
	}
	for name := range leftOut {
		if _, ok := table[name]; !ok {
			t.Errorf("leftOut has %s, which metrics.md does not have", name)
		}
	}
	text, err := json.MarshalIndent(dashboard(t, table), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want := string(text) + "\n"
	if old, err := os.ReadFile(dashboardFile); err == nil && string(old) == want {
		return
	}
	if os.Getenv("PLUGINTEST_UPDATE") == "" {
		t.Fatalf("%s is old (PLUGINTEST_UPDATE=1 writes it)", dashboardFile)
	}
	if err := os.WriteFile(dashboardFile, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// dashboard returns the dashboard as Grafana imports it.
func dashboard(t *testing.T, table metricTable) object {
	t.Helper()
	var panels []object
	id, y := 0, 0
	add := func(p object, x, width, height int) {
		id++
		p["id"], p["gridPos"] = id, object{"x": x, "y": y, "w": width, "h": height}
		panels = append(panels, p)
	}
	for _, r := range rows {
		add(object{"type": "row", "title": r.title, "collapsed": false, "panels": []object{}}, 0, 24, 1)
		y++
		x, height := 0, 0
		for _, p := range r.panels {
			width, high := 8, 7
			if p.width > 0 {
				width = p.width
			}
			if p.show == "stat" {
				high = 4
			}
			if x+width > 24 {
				x, y = 0, y+height
			}
			add(panelObject(t, table, p), x, width, high)
			x, height = x+width, high
		}
		y += height
	}
	return object{
		"title": "Event gateway", "uid": "eventgateway", "tags": []string{"eventgateway"}, "description": "Written from gateway/docs/metrics.md by a test of gateway/monitoring.",
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "refresh": "30s", "time": object{"from": "now-1h", "to": "now"}, "timezone": "",
		"templating": object{"list": variables()}, "annotations": object{"list": []object{reloads(t, table)}}, "links": []object{}, "panels": panels,
	}
}

// variables returns the variables of the dashboard.
func variables() []object {
	of := func(name, label, query string, several bool) object {
		v := object{
			"name": name, "label": label, "type": "query", "datasource": datasource, "definition": query, "query": object{"query": query, "refId": name},
			"refresh": 2, "sort": 1, "hide": 0, "multi": several, "includeAll": several, "options": []object{}, "regex": "",
		}
		if several {
			v["allValue"], v["current"] = ".*", object{"selected": true, "text": "All", "value": "$__all"}
		}
		return v
	}
	return []object{
		{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0, "regex": "", "multi": false, "includeAll": false, "options": []object{}},
		of("job", "Job", `label_values(gateway_conserved, job)`, false),
		of("instance", "Gateway", `label_values(gateway_conserved{job=~"$job"}, instance)`, true),
		of("component", "Component", `label_values(gateway_failing{job=~"$job", instance=~"$instance"}, component)`, true),
	}
}

// reloads returns the annotation that marks each load of a configuration.
func reloads(t *testing.T, table metricTable) object {
	t.Helper()
	return object{
		"name": "Starts and reloads", "datasource": datasource, "enable": true, "hide": false, "iconColor": "blue", "useValueForTime": true, "titleFormat": "{{instance}}: configuration loaded",
		"expr": table.expression(t, calc(`gateway_config_last_reload_success_timestamp_seconds{} * 1000`, "")), "step": "30s",
	}
}

// panelObject returns a panel as Grafana has it, without its place.
func panelObject(t *testing.T, table metricTable, p panel) object {
	t.Helper()
	show, unit := p.show, p.unit
	if show == "" {
		show = "timeseries"
	}
	if unit == "" {
		unit = "short"
	}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": datasource, "expr": table.expression(t, q), "legendFormat": strings.TrimSpace(table.legendOf(p, q)),
			"editorMode": "code", "range": show != "stat", "instant": show == "stat",
		})
	}
	defaults, options := object{"unit": unit}, object{}
	switch show {
	case "timeseries":
		defaults["custom"] = object{"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
		options["legend"] = object{"displayMode": "list", "placement": "bottom", "showLegend": true}
		options["tooltip"] = object{"mode": "multi", "sort": "desc"}
	case "state-timeline":
		defaults["custom"] = object{"fillOpacity": 70, "lineWidth": 0}
		options["showValue"], options["mergeValues"], options["rowHeight"] = "auto", true, 0.9
		options["legend"] = object{"displayMode": "list", "placement": "bottom", "showLegend": false}
	case "stat":
		options["colorMode"], options["graphMode"], options["textMode"] = "value", "none", "value_and_name"
		options["reduceOptions"] = object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}
	}
	if p.good != "" {
		colors := map[string][2]string{"0": {"green", "red"}, "1": {"red", "green"}}[p.good]
		limit := map[string]float64{"0": 0.001, "1": 1}[p.good]
		defaults["color"] = object{"mode": "thresholds"}
		defaults["thresholds"] = object{"mode": "absolute", "steps": []object{{"color": colors[0], "value": nil}, {"color": colors[1], "value": limit}}}
	}
	return object{
		"type": show, "title": p.title, "description": table.description(t, p), "datasource": datasource, "targets": targets,
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}}, "options": options,
	}
}
