package tokenizers

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxAddedBytes bounds the work of looking for an added token at one place.
const maxAddedBytes = 1024

// addedToken is found in the text before anything else happens to it.
type addedToken struct {
	id         uint32
	content    string
	normal     string // content as the normalizer leaves it, where the token is sought in normalized text
	singleWord bool   // not beside a word character
	lstrip     bool   // takes the white space on its left
	rstrip     bool   // takes the white space on its right
	normalized bool   // sought in normalized text
	special    bool   // skipped in decoding where asked
}

// addedTokens are sought in two passes, first those that stand for themselves in the raw text, then the others in normalized text.
type addedTokens struct {
	byID      map[uint32]*addedToken
	byContent map[string]*addedToken
	special   map[string]bool
	raw       *addedSearch
	normal    *addedSearch
	signs     addedSigns // of the tokens sought in normalized text
	plain     addedSigns // of those that are not special

	reaches    bool // a token sought in normalized text may have a part on each side of a cut, or depend on the other side
	inReplaced bool // a token has a U+FFFD, and so may be found where the raw text is ill-formed
}

func readAddedTokens(data []byte) ([]*addedToken, error) {
	var tokens []*addedToken
	r := &jsonReader{data: data}
	err := r.array(func(int) error {
		raw, err := r.raw()
		if err != nil {
			return err
		}
		f, err := newFields(raw)
		if err != nil {
			return err
		}
		t := &addedToken{
			id:         f.count("id", true, maxID),
			content:    f.str("content", true),
			singleWord: f.boolean("single_word", true),
			lstrip:     f.boolean("lstrip", true),
			rstrip:     f.boolean("rstrip", true),
			normalized: f.boolean("normalized", true),
			special:    f.boolean("special", true),
		}
		if f.err == nil && len(t.content) > maxAddedBytes {
			f.err = inField("content", fmt.Errorf("has %d bytes: the longest allowed has %d", len(t.content), maxAddedBytes))
		}
		tokens = append(tokens, t)
		return f.err
	})
	return tokens, err
}

// newAddedTokens numbers the tokens as the reference does, which takes the ids of the file for advice: a token of the model has its id there,
// the others follow the vocabulary. Where that differs from the file, the file is refused, since two readings of it would disagree.
func newAddedTokens(tokens []*addedToken, m model, n normalizer) (*addedTokens, error) {
	a := &addedTokens{
		byID: map[uint32]*addedToken{}, byContent: map[string]*addedToken{}, special: map[string]bool{},
		raw: newAddedSearch(), normal: newAddedSearch(),
	}
	next := uint32(m.entries())
	for i, t := range tokens {
		if t.content == "" {
			continue
		}
		id, ok := m.tokenID(t.content)
		if !ok {
			id = next
			next++
		}
		var err error
		switch other := a.byID[id]; {
		case a.byContent[t.content] != nil:
			err = inField("content", fmt.Errorf("%q is given twice", t.content))
		case other != nil:
			err = inField("id", fmt.Errorf("%d belongs to %q already", id, other.content))
		case id != t.id:
			err = inField("id", fmt.Errorf("%q has id %d, but its place in the vocabulary makes it %d", t.content, t.id, id))
		}
		if err == nil {
			err = a.add(t, n)
		}
		if err != nil {
			return nil, atIndex(i, err)
		}
	}
	a.raw.link()
	a.normal.link()
	a.reaches = a.reachOverCuts(n)
	a.signs, a.plain = a.signsOf(n, false), a.signsOf(n, true)
	return a, nil
}

func (a *addedTokens) add(t *addedToken, n normalizer) error {
	t.normal = t.content
	if t.normalized && n != nil {
		t.normal = string(n.normalize(newText(t.content, true)).bytes)
	}
	a.byID[t.id], a.byContent[t.content] = t, t
	if t.special {
		a.special[t.content] = true
	}
	a.inReplaced = a.inReplaced || strings.Contains(t.normal, replacement)
	into := a.raw
	if t.normalized {
		into = a.normal
	}
	if t.normal == "" {
		return inField("content", errors.New("is nothing once it is normalized"))
	}
	if !into.add(t.normal, t.id, t.special) {
		return inField("content", fmt.Errorf("%q is the same as another token once it is normalized", t.content))
	}
	return nil
}

func wordBefore(b []byte) bool {
	r, size := utf8.DecodeLastRune(b)
	return size > 0 && charClasses().of(r)&isWord != 0
}

func wordAfter(b []byte) bool {
	r, size := utf8.DecodeRune(b)
	return size > 0 && charClasses().of(r)&isWord != 0
}

// spaceBefore returns the length of the white space that b ends with.
func spaceBefore(b []byte) int {
	n := len(b)
	for n > 0 {
		r, size := utf8.DecodeLastRune(b[:n])
		if charClasses().of(r)&isSpace == 0 {
			break
		}
		n -= size
	}
	return len(b) - n
}

// spaceAfter returns the length of the white space that b begins with.
func spaceAfter(b []byte) int {
	n := 0
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		if charClasses().of(r)&isSpace == 0 {
			break
		}
		n += size
	}
	return n
}
