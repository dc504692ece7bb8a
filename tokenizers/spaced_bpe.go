package tokenizers

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

// spacedBPE is the plan for BPE over whole texts whose spaces are shown as a character, as SentencePiece makes them: Llama 2, Mistral, Gemma. To the model
// the text is one word. Where no merge reaches over the beginning of a run of spaces, what is between two of these is merged alike wherever it stands, and
// the cache holds what becomes of it.
type spacedBPE struct {
	model   *bpe
	mark    string // what a space becomes
	prefix  spacePrefix
	charIDs *charTable
	symbols [256]uint32 // what ASCII starts as, and bytes; noID for what becomes the unknown token
	ascii   *byteMerges // of short pieces of ASCII; nil where there is none
	openers string      // the white space before which the text is cut
	scanner func() scan.Spaces
	joined  func() pairSet // symbols that a merge may join
}

// spacePrefix says where a text gets a mark before it.
type spacePrefix uint8

const (
	noPrefix spacePrefix = iota
	everyText
	unlessSpaced // the text begins with a space or a mark
)

// newSpacedBPE returns nil where the parts are not of this kind.
func newSpacedBPE(n normalizer, pre preTokenizer, m *bpe) fusedPlan {
	p := &spacedBPE{model: m}
	if m.prefix+m.suffix != "" || m.ignoreMerges || !p.readSpaces(n, pre) {
		return nil
	}
	if _, ok := m.tokenID(p.mark); !ok || utf8.RuneCountInString(p.mark) != 1 || p.mark == " " {
		return nil
	}
	p.charIDs = newCharTable(m.tokens)
	p.joined = sync.OnceValue(func() pairSet { return newPairSet(m) })
	for c := range p.symbols {
		p.symbols[c] = noID
		if c >= utf8.RuneSelf {
			if m.byteTokens != nil {
				p.symbols[c] = m.byteTokens[c]
			}
		} else if symbol, ok := p.symbol(rune(c)); ok {
			p.symbols[c], _ = m.tokenID(symbol)
		}
	}
	p.ascii = newByteMerges(&m.merges, p.symbols)
	p.openers = p.findOpeners()
	p.scanner = sync.OnceValue(p.newScanner)
	return p
}

// readSpaces finds what is done to spaces, and tells whether that is all that is done.
func (p *spacedBPE) readSpaces(n normalizer, pre preTokenizer) bool {
	chain, ok := newNormalizerChain(n)
	if !ok {
		return false
	}
	before := ""
	for _, part := range chain {
		switch part := part.(type) {
		case *prepend:
			if p.prefix != noPrefix {
				return false
			}
			p.prefix, before = everyText, part.prefix
		case *replace:
			if p.mark != "" || part.pattern != " " || part.least != 0 {
				return false
			}
			p.mark = part.content
			before = strings.ReplaceAll(before, " ", p.mark)
		default:
			return false
		}
	}
	switch pre := pre.(type) {
	case nil:
	case *splitter: // finds no space any more
		if pre.literal != " " || pre.invert || p.mark == "" {
			return false
		}
	case *metaspace:
		if !pre.whole || len(chain) > 0 {
			return false
		}
		if p.mark = pre.replacement; pre.prepend != prependNever {
			p.prefix, before = unlessSpaced, p.mark
		}
	default:
		return false
	}
	return p.mark != "" && (p.prefix == noPrefix || before == p.mark)
}

// whiteSpace is what a text may be cut before.
const whiteSpace = " \n\t\r"

// findOpeners returns the white space characters before which a text may be cut, if a character that is none of them is before: where a merge has one of
// them on its right, it has nothing else on its left.
func (p *spacedBPE) findOpeners() string {
	symbols := map[rune]string{}
	for _, c := range whiteSpace {
		if symbol, ok := p.symbol(c); ok {
			symbols[c] = symbol
		}
	}
	for {
		openers := ""
		for _, c := range whiteSpace {
			if symbols[c] != "" {
				openers += string(c)
			}
		}
		shown := strings.ReplaceAll(openers, " ", p.mark)
		failed := false
		for pair := range p.model.merges.all() {
			left, _ := p.model.token(pair.left)
			right, _ := p.model.token(pair.right)
			for c, symbol := range symbols {
				if strings.HasPrefix(right, symbol) && strings.Trim(left, shown) != "" {
					delete(symbols, c)
					failed = true
				}
			}
		}
		if !failed {
			return openers
		}
	}
}

// symbol returns the token that a character of the text always starts as.
func (p *spacedBPE) symbol(c rune) (token string, ok bool) {
	token = string(c)
	if c == ' ' {
		token = p.mark
	}
	if _, ok := p.model.tokenID(token); ok {
		return token, true
	}
	if c < utf8.RuneSelf && p.model.hasAllBytes() { // else an unknown character before it may come behind it
		token, _ := p.model.token(p.model.byteTokens[c])
		return token, true
	}
	return "", false
}

func (b *bpe) hasAllBytes() bool {
	return b.byteTokens != nil && !slices.Contains(b.byteTokens[:], noID)
}

// findTails returns the characters that no merge joins to a letter before them.
func (p *spacedBPE) findTails() (tails [utf8.RuneSelf]bool) {
	joined := p.joined()
	for c := range tails {
		tails[c] = p.symbols[c] != noID && !isASCIILetter(rune(c)) && !strings.ContainsRune(whiteSpace, rune(c))
		for letter := 'A'; letter <= 'z'; letter++ {
			symbol := p.symbols[letter]
			if symbol == noID {
				symbol = p.model.unknown
			}
			tails[c] = tails[c] && !(isASCIILetter(letter) && joined.has(symbol, p.symbols[c]))
		}
	}
	return tails
}

func (p *spacedBPE) newScanner() scan.Spaces {
	classes := map[rune]scan.Class{}
	tails := p.findTails()
	for c := range rune(utf8.RuneSelf) {
		switch {
		case strings.ContainsRune(p.openers, c):
			classes[c] = scan.Space
		case tails[c]:
			classes[c] = scan.Lower | scan.Number
		case isASCIILetter(c):
			classes[c] = scan.Lower | scan.Upper
		default:
			classes[c] = scan.Lower
		}
	}
	common := scan.Lower
	if p.model.unknown == noID && !p.model.hasAllBytes() { // what is not in the vocabulary is dropped, and parts nothing
		common = 0
		for _, token := range p.model.tokens {
			if r, size := utf8.DecodeRuneInString(token); size == len(token) && r >= utf8.RuneSelf {
				classes[r] = scan.Lower
			}
		}
		for c := range rune(utf8.RuneSelf) {
			if p.charIDs.of(c) == noID && classes[c] != scan.Space {
				classes[c] = 0
			}
		}
	}
	mark, _ := utf8.DecodeRuneInString(p.mark)
	classes[mark] = 0
	if !strings.ContainsRune(p.openers, ' ') {
		classes[' '] = 0
	}
	return scan.Spaces{Table: scan.NewSparseTable(common, classes)}
}

func (p *spacedBPE) append(e *Encoder, dst []uint32, text []byte) []uint32 {
	start := len(dst)
	dst = p.appendText(e, dst, text)
	if len(dst) > start {
		dst[start] |= startsWord & e.keep
	}
	return dst
}

// appendText leaves out the mark of the first id: the text is one word.
func (p *spacedBPE) appendText(e *Encoder, dst []uint32, text []byte) []uint32 {
	if p.openers == "" {
		return p.appendFirst(e, dst, text)
	}
	b, scanner := &e.batch, p.scanner()
	scanner.Reset(&e.scan, text)
	first := 1
	for b.ends[0] = 0; ; first = 0 {
		n := scanner.Cut(&e.scan, b.ends[1:])
		if n == 0 {
			e.scan = scan.State{}
			return dst
		}
		if first > 0 {
			dst = p.appendFirst(e, dst, text[:b.ends[1]])
		}
		dst = e.appendPieces(p, dst, text, b.ends[first:n], b.ends[first+1:n+1])
		b.ends[0] = b.ends[n]
	}
}

func (p *spacedBPE) appendFirst(e *Encoder, dst []uint32, piece []byte) []uint32 {
	if p.prefix == everyText || p.prefix == unlessSpaced && piece[0] != ' ' && !bytes.HasPrefix(piece, []byte(p.mark)) {
		e.bytes = append(append(e.bytes[:0], ' '), piece...)
		piece = e.bytes
	}
	if len(piece) > wordcache.MaxPieceBytes {
		return p.miss(e, dst, piece)
	}
	return e.appendCached(p, dst, piece)
}

// miss sets no marks.
func (p *spacedBPE) miss(e *Encoder, dst []uint32, piece []byte) []uint32 {
	if p.ascii != nil && len(piece) <= maxShortWord && isASCII(piece) {
		return p.ascii.appendShort(dst, piece, &e.merger.ahead.words[0])
	}
	if !utf8.Valid(piece) {
		e.sentence.valid = appendValid(e.sentence.valid[:0], piece)
		piece = e.sentence.valid
	}
	ids, ok := p.appendSymbols(slices.Grow(e.symbols[:0], len(piece)), piece)
	e.symbols = ids
	if !ok {
		return p.missUnknown(e, dst, piece)
	}
	if len(ids) <= fewSymbols {
		return p.model.appendMerged(dst, ids, &e.merger)
	}
	joined := p.joined()
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && joined.has(ids[n-1], ids[n]) {
			n++
		}
		dst = p.model.appendMerged(dst, ids[:n], &e.merger)
		ids = ids[n:]
	}
	return dst
}

// appendSymbols appends the tokens of the characters of a piece. It returns false where there is one that has neither a token nor bytes.
func (p *spacedBPE) appendSymbols(ids []uint32, piece []byte) ([]uint32, bool) {
	for i := 0; i < len(piece); {
		if b := piece[i]; b < utf8.RuneSelf && p.symbols[b] != noID {
			ids = append(ids, p.symbols[b])
			i++
			continue
		}
		r, size := utf8.DecodeRune(piece[i:])
		char := piece[i : i+size]
		i += size
		if id := p.charIDs.of(r); id != noID {
			ids = append(ids, id)
			continue
		}
		if !p.model.hasByteTokens(char) {
			return ids, false
		}
		for _, b := range char {
			ids = append(ids, p.model.byteTokens[b])
		}
	}
	return ids, true
}

// missUnknown is for pieces with characters that become the unknown token, or nothing.
func (p *spacedBPE) missUnknown(e *Encoder, dst []uint32, piece []byte) []uint32 {
	shown := slices.Grow(e.sentence.shown[:0], len(p.mark)*len(piece))
	for _, b := range piece {
		if b == ' ' {
			shown = append(shown, p.mark...)
		} else {
			shown = append(shown, b)
		}
	}
	e.sentence.shown = shown
	m := &e.merger
	m.symbols, m.heap = slices.Grow(m.symbols[:0], len(piece)), slices.Grow(m.heap[:0], len(piece))
	e.tokens = p.model.tokenize(slices.Grow(e.tokens[:0], len(piece)), shown, m)
	for _, t := range e.tokens {
		dst = append(dst, t.id)
	}
	return dst
}

// fewSymbols is the most that are merged by looking at all pairs again after each merge, which is faster than a heap for few of them.
const fewSymbols = 32

// appendMerged appends what becomes of symbols, which it writes over.
func (b *bpe) appendMerged(dst, symbols []uint32, m *merger) []uint32 {
	if len(symbols) <= fewSymbols {
		return append(dst, b.mergeFew(symbols)...)
	}
	m.symbols, m.heap = slices.Grow(m.symbols[:0], len(symbols)), slices.Grow(m.heap[:0], len(symbols))
	for _, id := range symbols {
		m.add(id, 1)
	}
	m.mergeAll(&b.merges)
	for _, s := range m.symbols {
		if s.length > 0 {
			dst = append(dst, s.id)
		}
	}
	return dst
}

// mergeFew merges up to fewSymbols in place.
func (b *bpe) mergeFew(ids []uint32) []uint32 {
	var pairs [fewSymbols]merge // of a symbol with the next; rank noID where they don't merge
	pair := func(i int) merge {
		if m, ok := b.merges.get(ids[i], ids[i+1]); ok {
			return m
		}
		return merge{rank: noID}
	}
	n := len(ids)
	for i := range n - 1 {
		pairs[i] = pair(i)
	}
	for n > 1 {
		best := 0
		for i := 1; i < n-1; i++ {
			if pairs[i].rank < pairs[best].rank {
				best = i
			}
		}
		if pairs[best].rank == noID {
			break
		}
		ids[best] = pairs[best].id
		copy(ids[best+1:n-1], ids[best+2:n])
		copy(pairs[best+1:n-1], pairs[best+2:n])
		n--
		if best < n-1 {
			pairs[best] = pair(best)
		}
		if best > 0 {
			pairs[best-1] = pair(best - 1)
		}
	}
	return ids[:n]
}
