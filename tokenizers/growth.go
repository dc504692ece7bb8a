package tokenizers

import "fmt"

// Components of a tokenizer.json may follow one another in any number, and each may make a text longer. What they could make of it together is
// bounded: a file of a few lines must not turn a page into more than memory holds.

// maxGrowth bounds how many times as long a sequence of components can make a text; those of published files stay below a thousand.
const maxGrowth = 1 << 14

// The most bytes that one becomes.
const (
	canonicalGrowth  = 3  // NFD of U+0390 takes 6 bytes for 2; lower case grows less
	compatibleGrowth = 11 // NFKD of U+FDFA takes 33 bytes for 3
	shownGrowth      = 2  // the character that shows a byte takes at most 2
	spacedGrowth     = 3  // a space before and behind
	metaspaceGrowth  = 8  // a character of 4 bytes for a space, and another before it
)

// normalizerGrowth returns how many times as long n can make a text, at most about maxGrowth.
func normalizerGrowth(n normalizer) int {
	switch n := n.(type) {
	case normalizerSequence:
		return product(n, normalizerGrowth)
	case *prepend:
		return 1 + len(n.prefix)
	case *replace:
		return len(n.content)
	case *replaceRegex:
		return 1 + len(n.content)
	case *charsmap:
		return n.longest
	case byteLevelNormalizer:
		return shownGrowth
	case normalForm:
		if n.compatible {
			return compatibleGrowth
		}
		return canonicalGrowth
	case lowercase, *bertNormalizer:
		return canonicalGrowth
	}
	return 1
}

// splitGrowth is normalizerGrowth for pre-tokenizers, of which some set something before each word.
func splitGrowth(p preTokenizer) int {
	switch p := p.(type) {
	case preTokenizerSequence:
		return product(p, splitGrowth)
	case *byteLevel:
		return spacedGrowth * shownGrowth
	case *metaspace:
		return metaspaceGrowth
	}
	return 1
}

// decoderGrowth is normalizerGrowth for decoders.
func decoderGrowth(d decoder) int {
	switch d := d.(type) {
	case decoderSequence:
		return product(d, decoderGrowth)
	case *replace:
		return len(d.content)
	case *replaceRegex:
		return 1 + len(d.content)
	case *bpeDecoder, *ctc: // which may replace nothing, between all characters, by a space
		return spacedGrowth
	}
	return 1
}

func product[P any](parts []P, growth func(P) int) int {
	all := 1
	for _, part := range parts {
		all = min(all*max(1, growth(part)), maxGrowth+1)
	}
	return all
}

// checkGrowth is the error of a sequence that stands in a field.
func checkGrowth(field string, growth int) error {
	if growth <= maxGrowth {
		return nil
	}
	return inField(field, fmt.Errorf("together they can make a text more than %d times as long", maxGrowth))
}
