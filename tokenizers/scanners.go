package tokenizers

import (
	"sync"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

// scannerFor returns what does the same as a cutter, a block of text at a time, or nil.
func scannerFor(cutter wordCutter) scan.Cutter {
	switch c := cutter.(type) {
	case *gpt2Cutter:
		return scan.GPT2{Table: scanTable()}
	case *modernCutter:
		digits := c.maxDigits % maxTextBytes
		if c.byCase {
			return scan.Cased{Table: casedTable(), MaxDigits: digits, Word: c.word}
		}
		return scan.Modern{Table: scanTable(), MaxDigits: digits}
	}
	return nil
}

// The classes that scanners see, without and with marks.
var (
	scanTable  = sync.OnceValue(func() *scan.Table { return newScanTable(0) })
	casedTable = sync.OnceValue(func() *scan.Table { return newScanTable(scan.Mark) })
)

func newScanTable(mark scan.Class) *scan.Table {
	kinds := wordKinds()
	return scan.NewTable(func(r rune) scan.Class {
		kind := kinds[min(int(r), len(kinds)-1)]
		class := scan.Class(0)
		switch {
		case kind&inNumber != 0:
			return scan.Number
		case kind&inSpace != 0:
			return scan.Space
		case kind&inWord == 0 && kind&(inLower|inUpper) != 0:
			return mark
		}
		if kind&inLower != 0 {
			class |= scan.Lower
		}
		if kind&inUpper != 0 {
			class |= scan.Upper
		}
		return class
	})
}
