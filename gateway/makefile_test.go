package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMakefileNamesTests: each -run, -bench and -fuzz pattern of the Makefile matches a function of each package that its
// line names, and each variable that a line sets is read by a test there. A pattern that matches nothing passes.
func TestMakefileNamesTests(t *testing.T) {
	text, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`-(run|bench|fuzz) '?([\w|]+)'?`)
	variable := regexp.MustCompile(`\b([A-Z]+(?:_[A-Z]+)*)=\S+ `)
	var shared string // tests of sourcetest, which several packages run
	files, err := filepath.Glob("testenv/sourcetest/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shared += string(code)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		m := pattern.FindStringSubmatch(line)
		if m == nil || !strings.Contains(line, "$(GO) test") {
			continue
		}
		lines++
		tests := shared // of all packages of the line
		for _, field := range strings.Fields(strings.ReplaceAll(line, ";", " ")) {
			if !strings.HasPrefix(field, "./") {
				continue
			}
			files, err := filepath.Glob(filepath.Join("..", field, "*_test.go"))
			if err != nil || len(files) == 0 {
				t.Errorf("%s has no tests (%v): %s", field, err, line)
			}
			for _, file := range files {
				code, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				tests += string(code)
			}
		}
		for one := range strings.SplitSeq(m[2], "|") {
			if !regexp.MustCompile(`(?m)^func (Test|Benchmark|Fuzz)?\w*` + one).MatchString(tests) {
				t.Errorf("no test is named %s: %s", one, line)
			}
		}
		for _, v := range variable.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(tests, `"`+v[1]+`"`) {
				t.Errorf("no test reads %s: %s", v[1], line)
			}
		}
	}
	if lines < 10 {
		t.Errorf("only %d lines run tests", lines)
	}
}
