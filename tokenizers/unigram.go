package tokenizers

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// unigram takes of all ways to cut a word into pieces the one with the highest sum of scores, which are logarithms of probabilities (Kudo 2018).
type unigram struct {
	vocabulary
	scores       []float64 // by id, and minus infinity for what is no piece
	chars        *charTable
	pieces       *doubleArray
	longest      int // bytes of the longest piece, at least those of a character
	unknown      uint32
	unknownScore float64
	byteIDs      *[256]uint32 // what unknown text becomes; nil where it is the unknown token
}

// unknownPenalty is what an unknown character scores below the worst piece.
const unknownPenalty = 10

func loadUnigram(f *fields) (model, error) {
	const bytesPerPiece = 32
	u := &unigram{vocabulary: newVocabulary(len(f.raw["vocab"]) / bytesPerPiece)}
	f.get("vocab", true, u.readPieces)
	u.unknown = f.count("unk_id", true, maxID)
	fallback := f.boolean("byte_fallback", false)
	if f.err != nil {
		return nil, f.err
	}
	if int(u.unknown) >= len(u.tokens) {
		return nil, inField("unk_id", fmt.Errorf("%d is not in vocab, which has %d pieces", u.unknown, len(u.tokens)))
	}
	u.unknownScore = math.Inf(1)
	for _, score := range u.scores {
		u.unknownScore = min(u.unknownScore, score)
	}
	u.unknownScore -= unknownPenalty
	if fallback {
		u.setByteIDs()
	}
	u.scores = append(u.scores, math.Inf(-1))
	u.pieces, u.chars = newDoubleArray(u.tokens), newCharTable(u.tokens)
	u.longest = utf8.UTFMax
	for _, piece := range u.tokens {
		u.longest = max(u.longest, len(piece))
	}
	return u, nil
}

// readPieces reads [["piece", score], …]; the place of a piece is its id.
func (u *unigram) readPieces(r *jsonReader) error {
	return r.array(func(i int) error {
		if i > maxID {
			return fmt.Errorf("more than %d pieces", maxID)
		}
		n := 0
		var piece []byte
		err := r.array(func(k int) (err error) {
			n++
			switch k {
			case 0:
				piece, err = r.bytes()
			case 1:
				var score float64
				score, err = r.score()
				u.scores = append(u.scores, score)
			default:
				err = errors.New("expected a piece and its score")
			}
			return err
		})
		if err == nil && n != 2 {
			err = errors.New("expected a piece and its score")
		}
		if err == nil {
			err = u.add(piece, uint32(i))
		}
		return err
	})
}

// score reads a number as the reference does: the digits as one whole number, rounded, times or through a power of ten, rounded again. That can be off by
// a unit in the last place, and decides between cuts of a word that score the same.
func (r *jsonReader) score() (float64, error) {
	number, err := r.number()
	if err != nil {
		return 0, err
	}
	s := string(number)
	digits, exponent := uint64(0), 0
	mantissa, power, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(s, "-")), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	full := false
	for i, c := range []byte(whole + fraction) {
		d := uint64(c - '0')
		if full = full || digits > (math.MaxUint64-d)/10; full {
			if i < len(whole) {
				exponent++
			}
			continue
		}
		digits = digits*10 + d
		if i >= len(whole) {
			exponent--
		}
	}
	if power != "" {
		n := 0
		if _, err := fmt.Sscanf(power, "%d", &n); err != nil || n < -maxScorePower || n > maxScorePower {
			return 0, fmt.Errorf("%s has no exponent from %d to %d", s, -maxScorePower, maxScorePower)
		}
		exponent += n
	}
	score := float64(digits)
	switch {
	case exponent < -maxScorePower:
		score = 0
	case exponent < 0:
		score /= math.Pow10(-exponent)
	default:
		score *= math.Pow10(exponent)
	}
	if math.IsInf(score, 0) || score > maxScore {
		return 0, fmt.Errorf("%s is not a score: it is beyond %g", s, maxScore)
	}
	if s[0] == '-' {
		score = -score
	}
	return score, nil
}

const (
	maxScorePower = 300
	maxScore      = 1e200 // so that no sum overflows
)

// setByteIDs makes unknown text bytes, if the vocabulary holds any; a text with a byte that it lacks is the unknown token.
func (u *unigram) setByteIDs() {
	u.byteIDs = &[256]uint32{}
	for b := range u.byteIDs {
		id, ok := u.tokenID(fmt.Sprintf("<0x%02X>", b))
		if !ok {
			id = noID
		}
		u.byteIDs[b] = id
	}
}

func (u *unigram) name() string { return "Unigram" }

func (u *unigram) tokenize(dst []token, word []byte, m *merger) []token {
	c := u.newCutter(word, &m.lattice)
	for c.next() {
		dst = append(dst, m.lattice.tokens...)
	}
	return dst
}

// appendPieces appends the ids of a word, with startsWord on the first.
func (u *unigram) appendPieces(dst []uint32, word []byte, m *merger) []uint32 {
	first := len(dst)
	c := u.newCutter(word, &m.lattice)
	for c.next() {
		for _, t := range m.lattice.tokens {
			dst = append(dst, t.id)
		}
	}
	if len(dst) > first {
		dst[first] |= startsWord
	}
	return dst
}

func (u *unigram) hasBytes(text []byte) bool {
	for _, b := range text {
		if u.byteIDs[b] == noID {
			return false
		}
	}
	return true
}
