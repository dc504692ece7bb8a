package kernels

import "syscall"

// allowTiles asks the kernel for the use of tile registers by this process, which it grants once and for all threads
// (https://docs.kernel.org/arch/x86/xstate.html). It tells whether they may be used.
func allowTiles() bool {
	const requestPermission, tileData = 0x1023, 18 // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
	_, _, err := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return err == 0
}
