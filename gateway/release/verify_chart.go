package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v3"
)

// trial has the options of helm that set all values which the chart needs.
var trial = []string{
	"--set", "secrets.values.DATABASE_URL=postgres://db/orders", "--set", "secrets.values.REDIS_URL=redis://redis",
	"--set", "secrets.values.GATEWAY_TOKEN=0123456789abcdef", "--set", "serviceMonitor.enabled=true",
}

// verifyChart lints the chart, renders it, checks its configuration by the program, and proves that wrong values are refused.
func (r *release) verifyChart() error {
	chart, err := one(r.out, "eventgateway-*.tgz")
	if err != nil {
		return err
	}
	if _, err := outputOf(r.tool(append([]string{"helm", "lint", "--strict", chart}, trial...)...)); err != nil {
		return err
	}
	rules := fmt.Sprint("prometheusRule.enabled=", r.hasRules())
	text, err := outputOf(r.tool(append([]string{"helm", "template", "events", chart, "--kube-version", "1.31", "--set", rules}, trial...)...))
	if err != nil {
		return err
	}
	objects, err := parse(text)
	if err != nil {
		return err
	}
	kinds := []string{"ConfigMap", "Deployment", "PodDisruptionBudget", "Secret", "Service", "ServiceAccount", "ServiceMonitor"}
	if r.hasRules() {
		kinds = append(kinds, "PrometheusRule")
	}
	for _, kind := range kinds {
		if objects[kind] == nil {
			return fmt.Errorf("the chart makes no %s", kind)
		}
	}
	if err := r.checkConfig(objects["ConfigMap"]); err != nil {
		return err
	}
	for wrong, want := range map[string]string{
		"replicas=3": "replicas", "shutdown.delaySeconds=soon": "delaySeconds", "secrets.values.REDIS_URL=": "secrets.existing must name a Secret",
	} {
		_, err := outputOf(r.tool(append(append([]string{"helm", "template", "events", chart, "--kube-version", "1.31"}, trial...), "--set", wrong)...))
		if err == nil || !strings.Contains(err.Error(), want) {
			return fmt.Errorf("the value %s is not refused: %v", wrong, err)
		}
	}
	return nil
}

// hasRules reports whether the chart gets Prometheus rules.
func (r *release) hasRules() bool {
	_, err := os.Stat(filepath.Join(r.root, rules[0]))
	return err == nil
}

// parse returns the objects of a rendered chart by their kinds.
func parse(text string) (map[string]map[string]any, error) {
	objects := map[string]map[string]any{}
	for document := range strings.SplitSeq(text, "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return nil, err
		}
		if kind, _ := object["kind"].(string); kind != "" {
			objects[kind] = object
		}
	}
	return objects, nil
}

// checkConfig checks the configuration in a ConfigMap.
func (r *release) checkConfig(configMap map[string]any) error {
	data, _ := configMap["data"].(map[string]any)
	text, _ := data["gateway.yaml"].(string)
	if !strings.Contains(text, "shutdown_delay: 15s") {
		return errors.New("the ConfigMap has no gateway.yaml with shutdown_delay")
	}
	file := filepath.Join(r.work, "rendered.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(r.work, runtime.GOOS, runtime.GOARCH, "gateway", "gateway"), "check", "-c", file)
	cmd.Dir = r.work
	cmd.Env = []string{"DATABASE_URL=postgres://db/orders", "REDIS_URL=redis://redis", "GATEWAY_TOKEN=0123456789abcdef"}
	_, err := outputOf(cmd)
	return err
}
