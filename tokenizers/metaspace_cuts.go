package tokenizers

import (
	"bytes"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

// pieceKinds says what a character may be to a cut.
type pieceKinds uint8

const (
	opensPiece   pieceKinds = 1 << iota // becomes a single space
	closesPiece                         // becomes something that does not end in white space and that nothing behind it changes
	alone                               // never is in the cluster of the character before it, unless that prepends
	behindSpace                         // never is in the cluster of a space before it
	prependsNext                        // may draw the next character into its cluster
	unchanged                           // stays as it is, among other ASCII characters of which that is true
)

// local tells whether no part of the chain looks over a cut.
func (p *metaspacePlan) local() bool {
	p.apart = true
	for i, n := range p.chain {
		switch n := n.(type) {
		case lowercase, stripAccents, nmt:
		case normalForm:
			p.apart = p.apart && !n.compose
		case *charsmap:
			if p.charsmapAt >= 0 {
				return false
			}
			p.charsmapAt = i
			p.apart = p.apart && i == 0
		case *strip: // white space at the end is in the last piece
			if n.left {
				return false
			}
		case *replace:
			if !p.collapses(n) && bytes.ContainsRune([]byte(n.pattern), ' ') {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// collapses tells whether n makes runs of spaces one, in a form that Metaspace takes for one.
func (p *metaspacePlan) collapses(n *replace) bool {
	return n.pattern == " " && (n.content == " " || n.content == p.space.replacement)
}

// standing returns what the class of a character says about the cluster of the one before it.
func standing(class charClass) pieceKinds {
	switch {
	case class&^clusterControl == 0:
		return alone | behindSpace
	case class&clusterExtend == 0:
		return behindSpace
	}
	return 0
}

// findKinds runs the chain on each character of the first plane.
func (p *metaspacePlan) findKinds() *[1 << 16]pieceKinds {
	kinds := &[1 << 16]pieceKinds{}
	var s normalizerScratch
	for r := range rune(len(kinds)) {
		if r < 0xD800 || r > 0xDFFF {
			kinds[r] = p.kindOf(r, &s)
		}
	}
	return kinds
}

func (p *metaspacePlan) kindOf(r rune, s *normalizerScratch) pieceKinds {
	class := clusterClasses().of(r)
	if class&clusterPrepend != 0 {
		return prependsNext
	}
	kinds := standing(class)
	var char [utf8.UTFMax]byte
	now := utf8.AppendRune(char[:0], r)
	for i, n := range p.chain {
		if i == p.charsmapAt { // what matters are the clusters of what it sees
			first, _ := utf8.DecodeRune(now)
			last, _ := utf8.DecodeLastRune(now)
			if len(now) == 0 || clusterClasses().of(last)&clusterPrepend != 0 {
				return prependsNext
			}
			kinds &= standing(clusterClasses().of(first))
		}
		if n, ok := n.(*replace); ok && !p.collapses(n) && bytes.ContainsAny(now, n.pattern) {
			if i < p.charsmapAt {
				return prependsNext // it may
			}
			return kinds
		}
		b := &s.bytes[i%2]
		*b = n.appendNormalized((*b)[:0], now, s)
		now = *b
	}
	if string(now) == " " || string(now) == p.space.replacement {
		return kinds | opensPiece
	}
	last, _ := utf8.DecodeLastRune(now)
	spaced := len(now) == 0 || now[0] == ' ' || bytes.HasPrefix(now, p.replacement) || bytes.HasSuffix(now, p.replacement)
	if !spaced && charClasses().of(last)&isSpace == 0 {
		kinds |= closesPiece
		if r < utf8.RuneSelf && string(now) == string(r) {
			kinds |= unchanged
		}
	}
	return kinds
}

// kind returns what r may be to a cut.
func (p *metaspacePlan) kind(r rune) pieceKinds {
	if r < 1<<16 {
		return p.kinds()[r]
	}
	class := clusterClasses().of(r)
	if p.charsmapAt > 0 || class&clusterPrepend != 0 {
		return prependsNext
	}
	return standing(class)
}

func isASCIILetter(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' }

// findTails finds the pieces that are a character of ASCII which follows a letter in no piece. At the end of a word behind a letter such a character is always
// a token by itself, and whether it is there decides nothing before it.
func (p *metaspacePlan) findTails() {
	for c := range p.tails {
		p.tails[c] = noID
		if p.unigram != nil && p.kinds()[c]&unchanged != 0 && !isASCIILetter(rune(c)) {
			if id := p.unigram.chars.of(rune(c)); id != p.unigram.unknown {
				p.tails[c] = id
			}
		}
	}
	if p.unigram == nil {
		return
	}
	for _, piece := range p.unigram.tokens {
		for i := 1; i < len(piece); i++ {
			if piece[i] < utf8.RuneSelf && isASCIILetter(rune(piece[i-1])) {
				p.tails[piece[i]] = noID
			}
		}
	}
}

// newScanner returns what finds the cuts. It asks cutsBefore only where characters stand that are rarely beside a cut.
func (p *metaspacePlan) newScanner() scan.Spaces {
	p.findTails()
	table := scan.NewTable(func(r rune) (class scan.Class) {
		kinds := p.kind(r)
		switch {
		case kinds&opensPiece != 0 && r < utf8.RuneSelf:
			class = scan.Space
		case kinds&(closesPiece|alone) == closesPiece|alone:
			class = scan.Lower
			if r < utf8.RuneSelf && p.tails[r] != noID {
				class |= scan.Number
			} else if kinds&unchanged != 0 && isASCIILetter(r) {
				class |= scan.Upper
			}
		case kinds&closesPiece != 0:
			class = scan.Number
		}
		if kinds&behindSpace == 0 {
			class |= scan.Upper
		}
		return class
	})
	return scan.Spaces{Table: table, Verify: p.cutsBefore}
}

// cutsBefore tells whether text is cut before the character at i, which opens a piece: where that stays apart from what is behind it, and the character
// before i closes one and stays apart from what is before that.
func (p *metaspacePlan) cutsBefore(text []byte, i int) bool {
	last, size := utf8.DecodeLastRune(text[:i])
	kind := p.kind(last)
	if kind&closesPiece == 0 {
		return false
	}
	if i+1 < len(text) {
		if next, _ := utf8.DecodeRune(text[i+1:]); p.kind(next)&behindSpace == 0 {
			return false
		}
	}
	if i == size {
		return true
	}
	before, sizeBefore := utf8.DecodeLastRune(text[:i-size])
	return kind&alone != 0 && p.kind(before)&prependsNext == 0 || p.apart && size+sizeBefore > maxClusterBytes
}

// startsSimply tells whether what the first character becomes is the beginning of what the text becomes, and no space.
func (p *metaspacePlan) startsSimply(text []byte) bool {
	if p.wholeText {
		return false
	}
	first, size := utf8.DecodeRune(text)
	const both = closesPiece | alone
	if p.kind(first)&both != both {
		return false
	}
	next, _ := utf8.DecodeRune(text[size:])
	return size == len(text) || p.kind(next)&alone != 0
}
