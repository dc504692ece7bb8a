//go:build race

package tokenizers

// raceEnabled tells that the race detector, which makes everything ten times slower, is on: tests of results, which it can't change, are brief then.
const raceEnabled = true
