package tokenizers

import "bytes"

// addedSearch finds tokens in one pass over a text, whatever these are: a trie of the tokens, each written backwards, with the links of Aho and Corasick
// (1975). Read from the end of the text to its beginning, it knows at each place the longest token that begins there.
type addedSearch struct {
	trie    *trie // values are ids
	parent  []trieEdge
	fail    []uint32 // by node: the longest shorter path that ends what was read
	longest []uint32 // by node: the longest token that ends what was read, or noID
	first   []byte   // bytes that a token begins with
	last    [256]bool
	bytes   int // of the longest token
	plain   int // tokens that are not special
	all     int
}

func newAddedSearch() *addedSearch {
	return &addedSearch{trie: newTrie(), parent: []trieEdge{{}}}
}

// add adds a token. It tells whether it was not there yet.
func (s *addedSearch) add(token string, id uint32, special bool) bool {
	node := uint32(trieRoot)
	for i := len(token) - 1; i >= 0; i-- {
		next := s.trie.path(node, token[i:i+1])
		if int(next) == len(s.parent) {
			s.parent = append(s.parent, trieEdge{key: uint64(token[i]), node: node})
		}
		node = next
	}
	if s.trie.value[node] != noID {
		return false
	}
	s.trie.value[node] = id
	s.last[token[len(token)-1]] = true
	if bytes.IndexByte(s.first, token[0]) < 0 {
		s.first = append(s.first, token[0])
	}
	s.bytes = max(s.bytes, len(token))
	s.all++
	if !special {
		s.plain++
	}
	return true
}

// link makes the links, once all tokens are there.
func (s *addedSearch) link() {
	depth := make([]int, len(s.parent))
	levels := [][]uint32{}
	for node := 1; node < len(s.parent); node++ { // a parent comes before its children
		d := depth[s.parent[node].node]
		depth[node] = d + 1
		if d == len(levels) {
			levels = append(levels, nil)
		}
		levels[d] = append(levels[d], uint32(node))
	}
	s.fail = make([]uint32, len(s.parent))
	s.longest = make([]uint32, len(s.parent))
	s.longest[trieRoot] = noID
	for d, level := range levels {
		for _, node := range level {
			up := s.parent[node]
			if d > 0 {
				s.fail[node] = s.step(s.fail[up.node], byte(up.key))
			}
			if s.longest[node] = s.trie.value[node]; s.longest[node] == noID {
				s.longest[node] = s.longest[s.fail[node]]
			}
		}
	}
	s.parent = nil
}

// step returns the node for what was read and one more byte.
func (s *addedSearch) step(node uint32, b byte) uint32 {
	for {
		next, ok := s.trie.step(node, b)
		if ok {
			return next
		}
		if node == trieRoot {
			return trieRoot
		}
		node = s.fail[node]
	}
}

// wanted tells whether any token counts.
func (s *addedSearch) wanted(specialIsText bool) bool {
	return s.plain > 0 || s.all > 0 && !specialIsText
}

// fewBytes is up to how many bytes are each sought by themselves, which is faster than to look at every byte of the text.
const fewBytes = 4

// begin returns the first place where a token could begin, or the length of the text.
func (s *addedSearch) begin(text []byte) int {
	if len(s.first) <= fewBytes {
		for _, b := range s.first {
			if i := bytes.IndexByte(text, b); i >= 0 {
				text = text[:i]
			}
		}
		return len(text)
	}
	var first [256]bool
	for _, b := range s.first {
		first[b] = true
	}
	for i, b := range text {
		if first[b] {
			return i
		}
	}
	return len(text)
}

// hit is a place where a token begins.
type hit struct {
	start int
	id    uint32
}

// appendHits appends the longest token of each place where one begins, the last place first.
func (s *addedSearch) appendHits(dst []hit, text []byte) []hit {
	node := uint32(trieRoot)
	for begin, i := s.begin(text), len(text)-1; i >= begin; i-- {
		b := text[i]
		if node == trieRoot && !s.last[b] {
			continue
		}
		if node = s.step(node, b); s.longest[node] != noID {
			dst = append(dst, hit{i, s.longest[node]})
		}
	}
	return dst
}

// found is an added token in a text; token is nil for the text between two of them.
type found struct {
	token      *addedToken
	start, end int
}

// addedFinder holds what one pass finds. Its zero value is ready.
type addedFinder struct {
	hits  []hit
	parts []found
}

func (f *addedFinder) size() int { return 16*cap(f.hits) + 24*cap(f.parts) }

// find cuts text at the tokens of a search, the leftmost first and the longest of these. With specialIsText, special tokens are passed over. What it returns
// holds until it is called again.
func (f *addedFinder) find(a *addedTokens, s *addedSearch, text []byte, specialIsText bool) []found {
	return f.findFrom(a, s, text, 0, 0, specialIsText)
}

// findFrom is find for the text from begin on, where none is sought before next. What lies before begin only says what a token stands beside.
func (f *addedFinder) findFrom(a *addedTokens, s *addedSearch, text []byte, begin, next int, specialIsText bool) []found {
	f.hits, f.parts = f.hits[:0], f.parts[:0]
	if s.wanted(specialIsText) {
		f.hits = s.appendHits(f.hits, text)
	}
	done, spaces := begin, 0 // what is cut; where the last white space that was eaten ends
	for i := len(f.hits) - 1; i >= 0; i-- {
		start := f.hits[i].start
		if start < next {
			continue
		}
		t := a.byID[f.hits[i].id]
		end := start + len(t.normal)
		next = end
		if t.special && specialIsText || t.singleWord && (wordBefore(text[:start]) || wordAfter(text[end:])) {
			continue
		}
		if t.lstrip {
			start = max(done, start-spaceBefore(text[min(done, start):start]))
		}
		if t.rstrip {
			if end >= spaces {
				spaces = end + spaceAfter(text[end:])
			}
			end = spaces
		}
		if done < start {
			f.parts = append(f.parts, found{nil, done, start})
		}
		f.parts = append(f.parts, found{t, start, end})
		done = end
	}
	if done != len(text) {
		f.parts = append(f.parts, found{nil, done, len(text)})
	}
	return f.parts
}

// passed returns the place behind the tokens that begin before place, whether they counted or not, where the text from next on was searched.
func (f *addedFinder) passed(a *addedTokens, next, place int) int {
	for i := len(f.hits) - 1; i >= 0 && f.hits[i].start < place; i-- {
		if h := f.hits[i]; h.start >= next {
			next = h.start + len(a.byID[h.id].normal)
		}
	}
	return max(next, place)
}
