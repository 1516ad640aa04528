package childproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"eventgateway/gateway/plugin"
)

// Probe reports whether the command exists and the gateway may execute it. It starts nothing: a program that does not know --describe
// would begin to work.
func (p *Program) Probe() []plugin.Finding {
	if dir := p.opts.Dir; dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return []plugin.Finding{{Level: plugin.Problem, Text: fmt.Sprintf("the working directory %s is not a folder that can be read", dir), Fix: "mkdir -p " + dir + ", or name another dir"}}
		}
	}
	name := p.opts.Command[0]
	path := name
	if filepath.Base(name) != name && !filepath.IsAbs(name) { // the process looks for it in its working directory
		path = filepath.Join(p.opts.Dir, name)
		if !filepath.IsAbs(path) {
			path = "." + string(filepath.Separator) + path
		}
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return []plugin.Finding{{Level: plugin.Problem, Text: fmt.Sprintf("the program %s cannot be started: %v", name, err), Fix: "install it and chmod +x it, or name another command"}}
	}
	return []plugin.Finding{{Text: fmt.Sprintf("%s can be executed; it was not started", found)}}
}
