package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers"
)

// document is a tokenizer.json to be. Parts are JSON; an empty one is null.
type document struct {
	added         []addedToken
	normalizer    string
	preTokenizer  string
	postProcessor string
	decoder       string
	model         string // members of the model before its vocab
	vocab         []vocabEntry
	scored        bool // the vocabulary is a list of pieces and scores, as Unigram has
	merges        [][2]string
	hasMerges     bool
}

// vocabEntry is a token with its id, or in a list its score.
type vocabEntry struct {
	token string
	id    int
	score float32
}

// tokenizer loads what the document says.
func (d *document) tokenizer() (*tokenizers.Tokenizer, error) {
	for _, e := range d.vocab {
		if !utf8.ValidString(e.token) {
			return nil, fmt.Errorf("token %d, %q, is not valid UTF-8", e.id, e.token)
		}
	}
	return tokenizers.Load(d.bytes())
}

// bytes returns the document, one token and one merge a line, as Hugging Face tokenizers lays its files out.
func (d *document) bytes() []byte {
	var b bytes.Buffer
	b.WriteString("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [")
	for i, t := range d.added {
		b.WriteString(separator(i, "    "))
		b.Write(encode(t))
	}
	b.WriteString("\n  ],\n")
	for _, part := range []struct{ name, value string }{
		{"normalizer", d.normalizer}, {"pre_tokenizer", d.preTokenizer}, {"post_processor", d.postProcessor}, {"decoder", d.decoder},
	} {
		if part.value == "" {
			part.value = "null"
		}
		fmt.Fprintf(&b, "  %q: %s,\n", part.name, part.value)
	}
	fmt.Fprintf(&b, "  \"model\": {\n    %s,\n    \"vocab\": ", d.model)
	d.writeVocab(&b)
	if d.hasMerges {
		b.WriteString(",\n    \"merges\": [")
		// Files with "a b" are read by every version of the reference, but a token with a space in it needs ["a", "b"].
		spaced := slices.ContainsFunc(d.merges, func(m [2]string) bool { return strings.Contains(m[0]+m[1], " ") })
		for i, m := range d.merges {
			b.WriteString(separator(i, "      "))
			if spaced {
				b.Write(encode(m))
			} else {
				b.Write(encode(m[0] + " " + m[1]))
			}
		}
		b.WriteString("\n    ]")
	}
	b.WriteString("\n  }\n}\n")
	return b.Bytes()
}

func (d *document) writeVocab(b *bytes.Buffer) {
	if d.scored {
		b.WriteByte('[')
		for i, e := range d.vocab {
			b.WriteString(separator(i, "      "))
			fmt.Fprintf(b, "[%s, %s]", encode(e.token), strconv.FormatFloat(float64(e.score), 'g', -1, 64))
		}
		b.WriteString("\n    ]")
		return
	}
	b.WriteByte('{')
	for i, e := range d.vocab {
		b.WriteString(separator(i, "      "))
		fmt.Fprintf(b, "%s: %d", encode(e.token), e.id)
	}
	b.WriteString("\n    }")
}

func separator(i int, indent string) string {
	if i == 0 {
		return "\n" + indent
	}
	return ",\n" + indent
}

// encode returns a value, whose strings are valid UTF-8, as JSON on one line, with <, > and & as they are.
func encode(value any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err) // strings, numbers and booleans can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// special returns a special token, which is found in raw text.
func special(id int, content string) addedToken {
	return addedToken{ID: id, Content: content, Special: true}
}

// byID finds a token of the vocabulary.
func (d *document) ids() map[string]int {
	ids := make(map[string]int, len(d.vocab))
	for i, e := range d.vocab {
		if d.scored {
			ids[e.token] = i
		} else {
			ids[e.token] = e.id
		}
	}
	return ids
}

// addMissing adds the tokens that settings name and that are not there yet.
func (d *document) addMissing(tokens []addedToken) {
	for _, t := range tokens {
		at := slices.IndexFunc(d.added, func(a addedToken) bool { return a.Content == t.Content })
		if at >= 0 {
			d.added[at] = t
		} else {
			d.added = append(d.added, t)
		}
	}
	slices.SortStableFunc(d.added, func(a, b addedToken) int { return a.ID - b.ID })
}

// piece is an element of a template: a text, "A" or "B", or a special token.
type piece struct {
	name   string
	typeID int
}

// template returns a TemplateProcessing, or null where a special token of it has no id.
func template(ids map[string]int, single, pair []piece) string {
	tokens := map[string]any{}
	list := func(pieces []piece) (out []any) {
		for _, p := range pieces {
			kind := "SpecialToken"
			if p.name == "A" || p.name == "B" {
				kind = "Sequence"
			} else {
				tokens[p.name] = struct {
					ID     string   `json:"id"`
					IDs    []int    `json:"ids"`
					Tokens []string `json:"tokens"`
				}{p.name, []int{ids[p.name]}, []string{p.name}}
			}
			out = append(out, map[string]any{kind: struct {
				ID     string `json:"id"`
				TypeID int    `json:"type_id"`
			}{p.name, p.typeID}})
		}
		return out
	}
	for _, p := range append(slices.Clone(single), pair...) {
		if _, ok := ids[p.name]; !ok && p.name != "A" && p.name != "B" {
			return ""
		}
	}
	return string(encode(struct {
		Type    string         `json:"type"`
		Single  []any          `json:"single"`
		Pair    []any          `json:"pair"`
		Special map[string]any `json:"special_tokens"`
	}{"TemplateProcessing", list(single), list(pair), tokens}))
}
