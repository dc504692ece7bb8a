package tokenizers

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
)

const (
	maxID         = 1<<22 - 1 // bounds the tables that are indexed by id; the largest published vocabularies have 2^18 entries
	maxTokenBytes = 1 << 14   // bounds the work of one longest match
	noID          = 1<<32 - 1
)

// vocabulary maps tokens to ids and back. Ids may have gaps. The table from tokens to ids holds no strings of its own: half the memory of a map of Go,
// and a quarter of the time to fill it.
type vocabulary struct {
	tokens []string // by id; "" in a gap
	slots  []tokenSlot
	count  int
	empty  uint32 // 1 + the id of the empty token, or 0
	seed   maphash.Seed
	text   *strings.Builder // the block of memory that the bytes of the next tokens go to
}

// tokenSlot is a place of a table with open addressing, at most half full.
type tokenSlot struct {
	hash uint32
	next uint32 // 1 + the id, or 0
}

const minTokenSlots = 1 << 6

// newVocabulary makes room for about as many tokens.
func newVocabulary(tokens int) vocabulary {
	slots := minTokenSlots
	for slots < 2*min(tokens, maxID) {
		slots *= 2
	}
	return vocabulary{slots: make([]tokenSlot, slots), seed: maphash.MakeSeed()}
}

// tokenID returns the id of a token.
func (v *vocabulary) tokenID(token string) (uint32, bool) {
	return probe(v, uint32(maphash.String(v.seed, token)), token)
}

// find is tokenID for bytes.
func (v *vocabulary) find(token []byte) (uint32, bool) {
	return probe(v, v.hash(token), token)
}

func (v *vocabulary) hash(token []byte) uint32 { return uint32(maphash.Bytes(v.seed, token)) }

func probe[T string | []byte](v *vocabulary, hash uint32, token T) (uint32, bool) {
	for i := int(hash) & (len(v.slots) - 1); v.slots[i].next != 0; i = (i + 1) & (len(v.slots) - 1) {
		if s := v.slots[i]; s.hash == hash && v.tokens[s.next-1] == string(token) {
			return s.next - 1, true
		}
	}
	return 0, false
}

// token returns the token of an id.
func (v *vocabulary) token(id uint32) (string, bool) {
	if int(id) >= len(v.tokens) {
		return "", false
	}
	token := v.tokens[id]
	return token, token != "" || v.empty == id+1
}

func (v *vocabulary) entries() int { return v.count }

func (v *vocabulary) limit() int { return len(v.tokens) }

// add takes a copy of a token.
func (v *vocabulary) add(token []byte, id uint32) error {
	if len(token) > maxTokenBytes {
		return fmt.Errorf("token of %d bytes: the longest allowed has %d", len(token), maxTokenBytes)
	}
	hash := v.hash(token)
	if _, twice := probe(v, hash, token); twice {
		return errors.New("token given twice")
	}
	if other, ok := v.token(id); ok {
		return fmt.Errorf("id %d belongs to %q already", id, other)
	}
	for len(v.tokens) <= int(id) {
		v.tokens = append(v.tokens, "")
	}
	v.tokens[id] = v.copied(token)
	if len(token) == 0 {
		v.empty = id + 1
	}
	if v.count++; 2*v.count > len(v.slots) {
		old := v.slots
		v.slots = make([]tokenSlot, 2*len(old))
		for _, s := range old {
			if s.next != 0 {
				v.put(s)
			}
		}
	}
	v.put(tokenSlot{hash, id + 1})
	return nil
}

// copied returns a token in memory that it shares with others, so that there are few blocks for the collector of garbage to look at.
func (v *vocabulary) copied(token []byte) string {
	const blockBytes = 1 << 16
	if v.text == nil || v.text.Cap()-v.text.Len() < len(token) {
		v.text = new(strings.Builder)
		v.text.Grow(max(blockBytes, len(token)))
	}
	start := v.text.Len()
	v.text.Write(token)
	return v.text.String()[start:]
}

func (v *vocabulary) put(s tokenSlot) {
	i := int(s.hash) & (len(v.slots) - 1)
	for v.slots[i].next != 0 {
		i = (i + 1) & (len(v.slots) - 1)
	}
	v.slots[i] = s
}

// readVocabulary reads an object of tokens and ids.
func readVocabulary(r *jsonReader) (vocabulary, error) {
	const bytesPerEntry = 16 // at least, in most files
	v := newVocabulary(len(r.data) / bytesPerEntry)
	err := r.objectBytes(func(token []byte) error {
		id, err := r.count(maxID)
		if err != nil {
			return err
		}
		return v.add(token, id)
	})
	return v, err
}
