package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestPluginsStartGuardedGoroutines proves that plugins, what only gateway-full has, and the packages for plugins start goroutines only by
// plugin.Go or Env.Go. A panic in any other goroutine ends the process.
func TestPluginsStartGuardedGoroutines(t *testing.T) {
	seen := 0
	for _, dir := range []string{"../sources", "../transforms", "../sinks", "full", "pgconn", "redisconn", "pgtrigger", "pgverify", "inflight", "childproc"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			seen++
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: a go statement: use plugin.Go or Env.Go", files.Position(n.Pos()))
				case *ast.SelectorExpr:
					if n.Sel.Name == "Go" && !guarded(n.X) {
						t.Errorf("%s: a goroutine without a recover: use plugin.Go or Env.Go", files.Position(n.Pos()))
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 100 {
		t.Errorf("only %d files were parsed", seen)
	}
}

// guarded reports whether the method or function Go of x recovers: the package plugin's, or an Env's.
func guarded(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "plugin" || x.Name == "env"
	case *ast.SelectorExpr:
		return x.Sel.Name == "env"
	}
	return false
}
