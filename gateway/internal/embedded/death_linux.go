package embedded

import "syscall"

// dieWithUs has the kernel send sig to the process when this one dies.
func dieWithUs(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
