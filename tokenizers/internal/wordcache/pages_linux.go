package wordcache

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePageBytes is the size of the pages that most processors have for large tables. A table looked up at random otherwise misses the processor's
// cache of page addresses all the time.
const hugePageBytes = 2 << 20

// adviseHuge asks for huge pages for the middle of a table that has room for them. It is advice: what comes of it changes speed alone.
func adviseHuge(table []byte) {
	const page = 64 << 10 // a multiple of the system's
	skip := int(-uintptr(unsafe.Pointer(&table[0])) % page)
	if n := (len(table) - skip) &^ (page - 1); n >= hugePageBytes {
		_ = unix.Madvise(table[skip:skip+n], unix.MADV_HUGEPAGE) // some kernels have none
	}
}
