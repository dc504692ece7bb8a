package formats

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Patterns that encodings split text with before merging.
const (
	contractions  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	spaces        = `|\s*[\r\n]+|\s+(?!\S)|\s+`
	cl100kPattern = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*` + spaces
	qwenPattern   = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*` + spaces
	upper         = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
	lower         = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	o200kPattern  = `[^\r\n\p{L}\p{N}]?` + upper + `*` + lower + `+` + contractions + `?|[^\r\n\p{L}\p{N}]?` + upper + `+` + lower + `*` + contractions +
		`?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*` + spaces
)

// encoding is what a list of ranks does not say: how text is split, and the special tokens.
type encoding struct {
	name    string
	ranks   int    // tokens in the list, by which it is known
	pattern string // "" for that of GPT-2
	nfc     bool   // text is normalized to NFC first
	special func() []addedToken
}

// encodings are the published lists of ranks (openai/tiktoken, meta-llama/llama3, QwenLM/Qwen).
var encodings = []encoding{
	{"r50k_base", 50256, "", false, specials(50256, "<|endoftext|>")},
	{"p50k_base", 50280, "", false, specials(50256, "<|endoftext|>")},
	{"cl100k_base", 100256, cl100kPattern, false, func() []addedToken {
		return append(specials(100257, "<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")(), special(100276, "<|endofprompt|>"))
	}},
	{"o200k_base", 199998, o200kPattern, false, func() []addedToken {
		return []addedToken{special(199999, "<|endoftext|>"), special(200018, "<|endofprompt|>")}
	}},
	{"llama-3", 128000, cl100kPattern, false, llama3Specials},
	{"qwen", 151643, qwenPattern, true, func() []addedToken {
		return append(specials(151643, "<|endoftext|>", "<|im_start|>", "<|im_end|>")(), numbered(151646, "<|extra_%d|>", 0, 205)...)
	}},
}

// Encodings returns the names of the encodings that lists of ranks are read as.
func Encodings() []string {
	names := make([]string, len(encodings))
	for i, e := range encodings {
		names[i] = e.name
	}
	return names
}

// specials returns special tokens of consecutive ids.
func specials(first int, contents ...string) func() []addedToken {
	return func() []addedToken {
		tokens := make([]addedToken, len(contents))
		for i, content := range contents {
			tokens[i] = special(first+i, content)
		}
		return tokens
	}
}

// numbered returns count special tokens whose contents are counted from start.
func numbered(first int, format string, start, count int) []addedToken {
	tokens := make([]addedToken, count)
	for i := range tokens {
		tokens[i] = special(first+i, fmt.Sprintf(format, start+i))
	}
	return tokens
}

func llama3Specials() []addedToken {
	const first, reserved = 128000, "<|reserved_special_token_%d|>"
	tokens := specials(first, "<|begin_of_text|>", "<|end_of_text|>")()
	tokens = append(tokens, numbered(first+2, reserved, 0, 4)...)
	tokens = append(tokens, special(first+6, "<|start_header_id|>"), special(first+7, "<|end_header_id|>"))
	tokens = append(tokens, numbered(first+8, reserved, 4, 1)...)
	tokens = append(tokens, special(first+9, "<|eot_id|>"))
	return append(tokens, numbered(first+10, reserved, 5, 246)...)
}

// encodingOf finds the encoding by the name that the caller gives, that of the file, or the length of the list.
func encodingOf(name, path string, ranks int) (*encoding, error) {
	stem, _, _ := strings.Cut(filepath.Base(path), ".")
	for _, known := range []func(*encoding) bool{
		func(e *encoding) bool { return name == e.name },
		func(e *encoding) bool { return name == "" && stem == e.name },
		func(e *encoding) bool { return name == "" && ranks == e.ranks },
	} {
		if at := slices.IndexFunc(encodings, func(e encoding) bool { return known(&e) }); at >= 0 {
			return &encodings[at], nil
		}
	}
	if name != "" {
		return nil, fmt.Errorf("encoding %q is not known: %v are", name, Encodings())
	}
	return nil, fmt.Errorf("%d ranks are those of no encoding that is known: say which of %v splits text as this one does", ranks, Encodings())
}

// fromRanks reads a list of ranks: base64 of the bytes of a token and its rank, which is its id, on each line.
func fromRanks(data []byte, path, name string, s *settings) (*document, error) {
	ranks, err := readRanks(data)
	if err != nil {
		return nil, err
	}
	e, err := encodingOf(name, path, len(ranks.tokens))
	if err != nil {
		return nil, err
	}
	d := &document{hasMerges: true,
		decoder:       `{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}`,
		postProcessor: `{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}`,
		preTokenizer:  `{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}`,
		model:         `"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true`,
	}
	if e.pattern != "" {
		d.preTokenizer = fmt.Sprintf(`{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": %s}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]}`,
			encode(e.pattern))
	}
	if e.nfc {
		d.normalizer = `{"type": "NFC"}`
	}
	d.addMissing(e.special())
	d.addMissing(s.added)
	for _, token := range ranks.tokens {
		d.vocab = append(d.vocab, vocabEntry{token: shown(token.bytes), id: token.rank})
	}
	// In the vocabulary, special tokens keep ids that do not follow those of the others.
	for _, t := range d.added {
		if ranks.byID[t.ID] != "" {
			return nil, fmt.Errorf("rank %d is that of a token, but also the id of %s", t.ID, t.Content)
		}
		d.vocab = append(d.vocab, vocabEntry{token: t.Content, id: t.ID})
	}
	slices.SortFunc(d.vocab, func(a, b vocabEntry) int { return a.id - b.id })
	for _, m := range ranks.merges() {
		d.merges = append(d.merges, [2]string{shown(m[0]), shown(m[1])})
	}
	return d, nil
}

// rankList is a list of ranks.
type rankList struct {
	tokens []rankedToken // by rank
	ranks  map[string]int
	byID   map[int]string
}

type rankedToken struct {
	bytes string
	rank  int
}

// maxPieceBytes bounds a token of a list of ranks and a piece of SentencePiece: every cut of these is tried. The longest published ones have 128 bytes.
const maxPieceBytes = 1 << 10

func readRanks(data []byte) (*rankList, error) {
	l := &rankList{ranks: map[string]int{}, byID: map[int]string{}}
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			continue
		}
		if err := l.add(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	for b := range 256 {
		if _, ok := l.ranks[string([]byte{byte(b)})]; !ok {
			return nil, fmt.Errorf("lacks the byte 0x%02X: every byte needs a rank", b)
		}
	}
	slices.SortFunc(l.tokens, func(a, b rankedToken) int { return a.rank - b.rank })
	return l, nil
}

func (l *rankList) add(line []byte) error {
	text, number, ok := strings.Cut(string(line), " ")
	rank, err := strconv.Atoi(number)
	if !ok || err != nil {
		return fmt.Errorf("%q is not a token in base64 and its rank", shortened(string(line)))
	}
	token, err := base64.StdEncoding.DecodeString(text)
	switch _, twice := l.ranks[string(token)]; {
	case err != nil:
		return fmt.Errorf("token %q: %w", shortened(text), err)
	case len(token) == 0:
		return errors.New("the token is empty")
	case len(token) > maxPieceBytes:
		return fmt.Errorf("token of %d bytes: the longest allowed has %d", len(token), maxPieceBytes)
	case rank < 0 || rank >= maxIDs:
		return fmt.Errorf("rank %d is not from 0 to %d", rank, maxIDs-1)
	case twice:
		return fmt.Errorf("token %q is given twice", token)
	case l.byID[rank] != "":
		return fmt.Errorf("rank %d is given twice", rank)
	}
	l.tokens = append(l.tokens, rankedToken{string(token), rank})
	l.ranks[string(token)], l.byID[rank] = rank, string(token)
	return nil
}

// merges returns the merges that do what the ranks say: one for each token where that is enough, or else all cuts of tokens into two tokens. See the package
// comment.
func (l *rankList) merges() [][2]string {
	merges := make([][2]string, 0, len(l.tokens))
	var parts []part
	for _, t := range l.tokens {
		if len(t.bytes) == 1 {
			continue
		}
		if parts = l.parts(parts[:0], t.bytes, t.rank); len(parts) != 2 {
			return l.cuts()
		}
		merges = append(merges, [2]string{t.bytes[:parts[1].start], t.bytes[parts[1].start:]})
	}
	return merges
}

// part is a part of a token: where it begins, and the rank of it and the next part together, noRank if these are no token.
type part struct{ start, rank int }

const noRank = maxIDs

// parts appends what merges of ranks below limit leave of a token.
func (l *rankList) parts(dst []part, token string, limit int) []part {
	rank := func(i int) int { // of the parts i and i+1
		if i+1 >= len(dst) {
			return noRank
		}
		end := len(token)
		if i+2 < len(dst) {
			end = dst[i+2].start
		}
		if rank, ok := l.ranks[token[dst[i].start:end]]; ok && rank < limit {
			return rank
		}
		return noRank
	}
	for i := range len(token) {
		dst = append(dst, part{start: i})
	}
	for i := range dst {
		dst[i].rank = rank(i)
	}
	for {
		at := 0
		for i, p := range dst {
			if p.rank < dst[at].rank {
				at = i
			}
		}
		if dst[at].rank == noRank {
			return dst
		}
		dst = slices.Delete(dst, at+1, at+2)
		dst[at].rank = rank(at)
		if at > 0 {
			dst[at-1].rank = rank(at - 1)
		}
	}
}

// cuts returns every cut of every token into two tokens, by rank of the token, then of its parts.
func (l *rankList) cuts() [][2]string {
	var merges [][2]string
	for _, t := range l.tokens {
		first := len(merges)
		for i := 1; i < len(t.bytes); i++ {
			_, ok1 := l.ranks[t.bytes[:i]]
			_, ok2 := l.ranks[t.bytes[i:]]
			if ok1 && ok2 {
				merges = append(merges, [2]string{t.bytes[:i], t.bytes[i:]})
			}
		}
		slices.SortFunc(merges[first:], func(a, b [2]string) int { return l.ranks[a[0]] - l.ranks[b[0]] })
	}
	return merges
}

// byteChars shows each byte as a character, as byte-level BPE writes its tokens (Radford et al. 2019): what can be seen in Latin-1 as itself, the rest as
// the characters from U+0100 on.
var byteChars = func() (table [256]rune) {
	next := rune(0x100)
	for b := range table {
		if b >= '!' && b <= '~' || b >= 0xA1 && b != 0xAD {
			table[b] = rune(b)
			continue
		}
		table[b] = next
		next++
	}
	return table
}()

// charBytes is the reverse of byteChars.
var charBytes = func() map[rune]byte {
	m := map[rune]byte{}
	for b, char := range byteChars {
		m[char] = byte(b)
	}
	return m
}()

// shown returns a token of bytes as byte-level BPE writes it.
func shown(token string) string {
	var b strings.Builder
	for i := range len(token) {
		b.WriteRune(byteChars[token[i]])
	}
	return b.String()
}

// hidden is the reverse of shown.
func hidden(token string) (string, bool) {
	out := make([]byte, 0, len(token))
	for _, char := range token {
		b, ok := charBytes[char]
		if !ok {
			return "", false
		}
		out = append(out, b)
	}
	return string(out), true
}
