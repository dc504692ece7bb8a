package scan

// classify fills in the masks of a block, as far as they are those of ASCII.
func classify(t *Table, block *[64]byte, m *masks) { t.classifyPortable(block, m) }
