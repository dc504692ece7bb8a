package endtoend

import (
	"os"
	"syscall"
)

// maxRSS is the peak resident memory of a process that ended, in bytes. Linux counts what the starting process had at that time, so it is
// never less than the peak of this test.
func maxRSS(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
