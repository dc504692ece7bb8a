package corpus

import (
	"encoding/binary"
	"unicode/utf8"
)

// validPrefix returns the length of the longest prefix of p that is valid UTF-8. It skips ASCII in words everywhere, where utf8.Valid
// does so only before the first other character.
func validPrefix(p []byte) int {
	for i := 0; ; {
		for i+8 <= len(p) && binary.LittleEndian.Uint64(p[i:])&0x8080808080808080 == 0 {
			i += 8
		}
		for end := min(i+8, len(p)); i < end; {
			if p[i] < utf8.RuneSelf {
				i++
				continue
			}
			r, n := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && n == 1 {
				return i
			}
			i += n
		}
		if i == len(p) {
			return i
		}
	}
}
