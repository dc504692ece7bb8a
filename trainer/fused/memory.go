package fused

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
)

// reserveBytes is what is left to others when memory is measured out.
const reserveBytes = 256 << 20

// reserve makes sure that the buffers can grow to the capacities, before half of them have: a process that takes more than there is gets killed without a
// word.
func (g *Graph) reserve(available int64) error {
	var more int64
	for _, b := range g.buffers {
		more += 4 * int64(max(0, g.capacity[b.axis]*b.width-len(b.data)))
	}
	if more < reserveBytes || more <= available-reserveBytes {
		return nil
	}
	return fmt.Errorf("%d tokens at once take %.1f GB for what is computed of them, %.1f GB are left: make minibatches smaller, and accumulate more of them",
		g.length[Tokens], float64(more)/1e9, float64(max(0, available))/1e9)
}

// availableBytes is what the machine, or the control group that the process runs in, could still give; more than any graph takes where that is not told.
func availableBytes() int64 {
	available := int64(math.MaxInt64)
	if kilobytes, ok := field("/proc/meminfo", "MemAvailable:"); ok {
		available = kilobytes << 10
	}
	limit, limited := field("/sys/fs/cgroup/memory.max", "")
	current, known := field("/sys/fs/cgroup/memory.current", "")
	reclaimable, _ := field("/sys/fs/cgroup/memory.stat", "file ")
	if limited && known {
		available = min(available, limit-current+reclaimable)
	}
	return available
}

// field returns the number behind a name at the start of a line of a small file of the system.
func field(path, name string) (int64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(data) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		parts := bytes.Fields(rest)
		if !ok || len(parts) == 0 {
			continue
		}
		v, err := strconv.ParseInt(string(parts[0]), 10, 64)
		return v, err == nil
	}
	return 0, false
}
