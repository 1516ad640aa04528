package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestModuleIsReloaded proves that a changed file of a transform wasm takes effect without a restart, that a broken one leaves the running module,
// and that events on which a module traps are dropped while the others go on.
func TestModuleIsReloaded(t *testing.T) {
	dir := t.TempDir()
	module := filepath.Join(dir, "guest.wasm")
	// emits returns a module that emits a payload of two characters, and traps on each second event.
	emits := func(text string) string {
		return `(module (import "gateway" "emit" (func $emit (param i32 i32))) (memory (export "memory") 1) (data (i32.const 0) "` + text + `")
			(global $n (mut i32) (i32.const 0))
			(func (export "apply") (param i32)
				(if (global.get $n) (then (unreachable)))
				(global.set $n (i32.const 1))
				(call $emit (i32.const 0) (i32.const 2))))`
	}
	replace := func(text string) { // as a deployment does
		writeFile(t, filepath.Join(dir, "guest.wat"), text)
		if out, err := exec.Command("wat2wasm", filepath.Join(dir, "guest.wat"), "-o", module+".new").CombinedOutput(); err != nil {
			t.Fatalf("wat2wasm (apt-get install wabt): %v\n%s", err, out)
		}
		if err := os.Rename(module+".new", module); err != nil {
			t.Fatal(err)
		}
	}
	replace(emits("11"))
	config := filepath.Join(dir, "gateway.yaml")
	writeFile(t, config, fmt.Sprintf("http: {listen: \":${PORT}\"}\nsources: {made: {type: generate, rate: 50}}\ntransforms: {guest: {type: wasm, file: %q, on_error: drop}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [made], through: [guest], to: [out]}}\n", module))
	p := startBinary(t, nil, "-c", config)
	p.awaitLine("11")
	replace(emits("22"))
	p.awaitLine("22")
	replace(`(module)`)
	p.awaitMetric("gateway_config_last_reload_successful 0")
	p.awaitLog("does not export a function apply")
	p.awaitLine("22")
	replace(emits("33"))
	p.awaitLine("33")
	p.awaitMetric("gateway_conserved 1")
	for _, line := range []string{`gateway_wasm_faults_total\{reason="trap",route="r",transform="guest"\} [1-9]`, `gateway_route_dropped_total\{route="r"\} [1-9]`} {
		counts := regexp.MustCompile("(?m)^" + line)
		var body string
		testenv.Eventually(t, testenv.Wait, line, func() bool {
			_, body = p.get("/metrics")
			return counts.MatchString(body)
		}, func() string { return body })
	}
}
