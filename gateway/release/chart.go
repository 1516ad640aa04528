package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// rules are the files with Prometheus rules that makeChart adds to the chart.
var rules = []string{"configs/prometheus/alerts.yml", "configs/prometheus/objectives.yml"}

// makeChart writes the Helm chart with the version of the release, and the Prometheus rules.
func (r *release) makeChart() error {
	const source = "configs/deploy/helm"
	version := strings.TrimPrefix(r.version, "v")
	text, err := os.ReadFile(filepath.Join(source, "Chart.yaml"))
	if err != nil {
		return err
	}
	chart := filepath.Join(r.work, "Chart.yaml")
	var lines strings.Builder
	for line := range strings.Lines(string(text)) {
		if key, _, ok := strings.Cut(line, ": "); ok && (key == "version" || key == "appVersion") {
			line = key + ": " + version + "\n"
		}
		lines.WriteString(line)
	}
	if err := os.WriteFile(chart, []byte(lines.String()), 0o644); err != nil {
		return err
	}
	files := []file{{"eventgateway/Chart.yaml", chart, 0o644}}
	err = filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "Chart.yaml" {
			return err
		}
		inside, err := filepath.Rel(source, p)
		files = append(files, file{path.Join("eventgateway", filepath.ToSlash(inside)), p, 0o644})
		return err
	})
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if _, err := os.Stat(rule); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		files = append(files, file{"eventgateway/rules/" + filepath.Base(rule), rule, 0o644})
	}
	return r.write(fmt.Sprintf("eventgateway-%s.tgz", version), func(w io.Writer) error { return writeTar(w, files, r.date) })
}
