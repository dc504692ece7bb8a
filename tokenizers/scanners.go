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
		if !c.byCase {
			return scan.Modern{Table: scanTable(), MaxDigits: c.maxDigits % maxTextBytes}
		}
	}
	return nil
}

// scanTable returns the classes that scanners see.
var scanTable = sync.OnceValue(func() *scan.Table {
	kinds := wordKinds()
	return scan.NewTable(func(r rune) scan.Class {
		if int(r) >= len(kinds) {
			return 0
		}
		switch kind := kinds[r]; {
		case kind&inWord != 0 && kind&inLower != 0:
			return scan.Lower
		case kind&inWord != 0:
			return scan.Upper
		case kind&inNumber != 0:
			return scan.Number
		case kind&inSpace != 0:
			return scan.Space
		}
		return 0
	})
})
