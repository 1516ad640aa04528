package embedded

import "syscall"

// setDeathSignal has the kernel send sig to the new process when this process ends.
func setDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
