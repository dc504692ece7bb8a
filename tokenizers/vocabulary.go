package tokenizers

import (
	"errors"
	"fmt"
)

const (
	maxID         = 1<<22 - 1 // bounds the tables that are indexed by id; the largest published vocabularies have 2^18 entries
	maxTokenBytes = 1 << 14   // bounds the work of one longest match
	noID          = 1<<32 - 1
)

// vocabulary maps tokens to ids and back. Ids may have gaps.
type vocabulary struct {
	ids    map[string]uint32
	tokens []string // by id; "" in a gap
}

func (v *vocabulary) tokenID(token string) (uint32, bool) {
	id, ok := v.ids[token]
	return id, ok
}

func (v *vocabulary) token(id uint32) (string, bool) {
	if int(id) >= len(v.tokens) {
		return "", false
	}
	token := v.tokens[id]
	if token == "" {
		empty, ok := v.ids[""]
		return "", ok && empty == id
	}
	return token, true
}

func (v *vocabulary) entries() int { return len(v.ids) }

func (v *vocabulary) limit() int { return len(v.tokens) }

func (v *vocabulary) add(token string, id uint32) error {
	if len(token) > maxTokenBytes {
		return fmt.Errorf("token of %d bytes: the longest allowed has %d", len(token), maxTokenBytes)
	}
	if _, twice := v.ids[token]; twice {
		return errors.New("token given twice")
	}
	if other, ok := v.token(id); ok {
		return fmt.Errorf("id %d belongs to %q already", id, other)
	}
	for len(v.tokens) <= int(id) {
		v.tokens = append(v.tokens, "")
	}
	v.ids[token], v.tokens[id] = id, token
	return nil
}

// readVocabulary reads an object of tokens and ids.
func readVocabulary(r *jsonReader) (vocabulary, error) {
	v := vocabulary{ids: make(map[string]uint32, min(len(r.data)/24, maxID))}
	err := r.object(func(token string) error {
		id, err := r.count(maxID)
		if err != nil {
			return err
		}
		return v.add(token, id)
	})
	return v, err
}
