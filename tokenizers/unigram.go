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
	scores       []float64
	trie         *trie
	unknown      uint32
	unknownScore float64
	byteIDs      *[256]uint32 // what unknown text becomes; nil where it is the unknown token
}

// unknownPenalty is what an unknown character scores below the worst piece.
const unknownPenalty = 10

func loadUnigram(f *fields) (model, error) {
	const bytesPerPiece = 32
	u := &unigram{vocabulary: newVocabulary(len(f.raw["vocab"]) / bytesPerPiece), trie: newTrie()}
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
		if err == nil && len(piece) > 0 {
			u.trie.insert(u.tokens[i], uint32(i))
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

// path is the best way to a place of a word: the score of all its pieces, the last of these, and where that begins, or -1 where no way is known yet.
type path struct {
	score float64
	id    uint32
	start int32
}

func (u *unigram) tokenize(dst []token, word []byte, m *merger) []token {
	m.paths = append(m.paths[:0], path{})
	for range word {
		m.paths = append(m.paths, path{start: -1})
	}
	for start := 0; start < len(word); {
		_, size := utf8.DecodeRune(word[start:])
		if !u.extend(m.paths, word, start, size) {
			improve(m.paths, start, start+size, u.unknown, u.unknownScore)
		}
		start += size
	}
	return u.backtrack(dst, word, m.paths)
}

// extend considers all pieces that begin at start, and tells whether one is the single character there, which has size bytes.
func (u *unigram) extend(paths []path, word []byte, start, size int) (single bool) {
	node := uint32(trieRoot)
	for end := start; end < len(word); end++ {
		next, ok := u.trie.step(node, word[end])
		if !ok {
			break
		}
		if node = next; u.trie.value[node] == noID {
			continue
		}
		id := u.trie.value[node]
		improve(paths, start, end+1, id, u.scores[id])
		single = single || end+1 == start+size
	}
	return single
}

// improve takes the way through start and a piece to end, if it is better than what was known.
func improve(paths []path, start, end int, id uint32, score float64) {
	score += paths[start].score
	if to := &paths[end]; to.start < 0 || score > to.score {
		*to = path{score, id, int32(start)}
	}
}

// backtrack appends the pieces of the best way, runs of unknown ones as one.
func (u *unigram) backtrack(dst []token, word []byte, paths []path) []token {
	first := len(dst)
	for end := len(word); end > 0; {
		start, id := int(paths[end].start), paths[end].id
		bytes := false
		if id == u.unknown {
			for start > 0 && paths[start].id == u.unknown {
				start = int(paths[start].start)
			}
			if known, ok := u.find(word[start:end]); ok {
				id = known
			} else {
				bytes = u.byteIDs != nil && u.hasBytes(word[start:end])
			}
		}
		if bytes {
			for i := end - 1; i >= start; i-- {
				dst = append(dst, token{u.byteIDs[word[i]], int32(start), int32(end)})
			}
		} else {
			dst = append(dst, token{id, int32(start), int32(end)})
		}
		end = start
	}
	for i, k := first, len(dst)-1; i < k; i, k = i+1, k-1 {
		dst[i], dst[k] = dst[k], dst[i]
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
