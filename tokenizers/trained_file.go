package tokenizers

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shardmill/shardmill/tokenizers/internal/learn"
)

// file returns the tokenizer.json of a vocabulary. Merges are written "a b", which every version of the reference reads.
func (t *training) file(v learned) ([]byte, error) {
	ids := make(map[string]uint32, len(v.tokens))
	for id, s := range v.tokens {
		ids[s] = uint32(id)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"version\": \"1.0\",\n  \"truncation\": %s,\n  \"padding\": %s,\n  \"added_tokens\": [", t.part("truncation"), t.part("padding"))
	for i, s := range t.o.SpecialTokens {
		a := addedToken{}
		if known := t.template.added[s]; known != nil {
			a = *known
		}
		fmt.Fprintf(&b, `%s{"id": %d, "content": %s, "single_word": %t, "lstrip": %t, "rstrip": %t, "normalized": %t, "special": true}`,
			separator(i), ids[s], quoted(s), a.singleWord, a.lstrip, a.rstrip, a.normalized)
	}
	post, err := t.postProcessor(ids)
	if err != nil {
		return nil, inField("post_processor", err)
	}
	fmt.Fprintf(&b, "\n  ],\n  \"normalizer\": %s,\n  \"pre_tokenizer\": %s,\n  \"post_processor\": %s,\n  \"decoder\": %s,\n  \"model\": {\n    \"type\": \"%s\",\n",
		t.part("normalizer"), t.part("pre_tokenizer"), post, t.part("decoder"), t.template.kind.name)
	t.writeSettings(&b, ids)
	if t.o.Model == TrainUnigram {
		writePieces(&b, v)
	} else {
		writeVocabulary(&b, v)
	}
	if t.o.Model == TrainBPE {
		writeMerges(&b, v)
	}
	b.WriteString("\n  }\n}\n")
	return b.Bytes(), nil
}

// part returns a member of the template, as it is written there.
func (t *training) part(name string) []byte {
	if raw, ok := t.template.parts[name]; ok {
		return raw
	}
	return []byte("null")
}

// writeSettings writes the settings of the model.
func (t *training) writeSettings(b *bytes.Buffer, ids map[string]uint32) {
	if t.o.Model == TrainUnigram {
		fmt.Fprintf(b, "    \"unk_id\": %d,\n", ids[t.unknown])
	}
	for _, s := range t.template.kind.settings {
		name, value := s[0], s[1]
		if raw, ok := t.template.model[name]; ok {
			value = string(raw)
		}
		if text := map[string]string{"unk_token": t.unknown, "continuing_subword_prefix": t.prefix, "end_of_word_suffix": t.suffix}[name]; text != "" {
			value = quoted(text)
		}
		fmt.Fprintf(b, "    \"%s\": %s,\n", name, value)
	}
}

func writeVocabulary(b *bytes.Buffer, v learned) {
	b.WriteString("    \"vocab\": {")
	for id, s := range v.tokens {
		fmt.Fprintf(b, "%s%s: %d", separator(id), quoted(s), id)
	}
	b.WriteString("\n    }")
}

func writeMerges(b *bytes.Buffer, v learned) {
	b.WriteString(",\n    \"merges\": [")
	for i, pair := range distinctMerges(v.merges) {
		fmt.Fprintf(b, "%s%s", separator(i), quoted(v.tokens[pair.Left]+" "+v.tokens[pair.Right]))
	}
	b.WriteString("\n    ]")
}

func writePieces(b *bytes.Buffer, v learned) {
	b.WriteString("    \"vocab\": [")
	for i, s := range v.tokens {
		fmt.Fprintf(b, "%s[%s, %s]", separator(i), quoted(s), strconv.FormatFloat(v.scores[i], 'f', -1, 64))
	}
	b.WriteString("\n    ]")
}

func separator(i int) string {
	if i == 0 {
		return "\n      "
	}
	return ",\n      "
}

// postProcessor returns the post-processor with the new ids of its tokens. That of the defaults is left out where its tokens are missing.
func (t *training) postProcessor(ids map[string]uint32) ([]byte, error) {
	raw := t.part("post_processor")
	if string(raw) == "null" {
		return raw, nil
	}
	missing := ""
	out, err := renumbered(raw, func(token string) uint32 {
		id, ok := ids[token]
		if !ok {
			missing = token
		}
		return id
	})
	if err == nil && missing != "" {
		if t.template.own {
			return []byte("null"), nil
		}
		err = fmt.Errorf("adds %s, which is not in the vocabulary: give it as a special token", missing)
	}
	return out, err
}

// renumbered returns a post-processor with the ids of its tokens that newID gives.
func renumbered(raw []byte, newID func(token string) uint32) ([]byte, error) {
	f, err := newFields(raw)
	if err != nil {
		return nil, err
	}
	var edits []jsonEdit
	r := &jsonReader{data: raw}
	err = r.object(func(key string) (err error) {
		switch kind := f.str("type", true); {
		case kind == "Sequence" && key == "processors":
			err = r.array(func(int) error {
				part, err := r.raw()
				if err != nil {
					return err
				}
				start := r.pos - len(part)
				part, err = renumbered(part, newID)
				edits = append(edits, jsonEdit{start, r.pos, part})
				return err
			})
		case kind == "TemplateProcessing" && key == "special_tokens":
			err = r.object(func(string) error {
				e, err := renumberedSpecial(r, newID)
				edits = append(edits, e)
				return err
			})
		case (kind == "BertProcessing" || kind == "RobertaProcessing") && (key == "sep" || key == "cls"):
			token := ""
			err = r.array(func(i int) (err error) {
				if i == 0 {
					token, err = r.str()
					return err
				}
				id, err := r.raw()
				edits = append(edits, jsonEdit{r.pos - len(id), r.pos, fmt.Append(nil, newID(token))})
				return err
			})
		default:
			_, err = r.raw()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []byte
	done := 0
	for _, e := range edits {
		out = append(append(out, raw[done:e.start]...), e.text...)
		done = e.end
	}
	return append(out, raw[done:]...), nil
}

// jsonEdit is a stretch of JSON that is written anew.
type jsonEdit struct {
	start, end int
	text       []byte
}

// renumberedSpecial reads {"id": …, "ids": […], "tokens": […]} and returns what its ids become.
func renumberedSpecial(r *jsonReader, newID func(token string) uint32) (e jsonEdit, err error) {
	var ids []string
	err = r.object(func(key string) error {
		switch key {
		case "ids":
			old, err := r.raw()
			e.start, e.end = r.pos-len(old), r.pos
			return err
		case "tokens":
			return r.array(func(int) error {
				token, err := r.str()
				ids = append(ids, strconv.Itoa(int(newID(token))))
				return err
			})
		}
		_, err := r.raw()
		return err
	})
	e.text = []byte("[" + strings.Join(ids, ", ") + "]")
	return e, err
}

// distinctMerges leaves of a pair that was merged more than once the last merge, as a table of ranks does.
func distinctMerges(merges []learn.Pair) []learn.Pair {
	last := make(map[learn.Pair]int, len(merges))
	for i, pair := range merges {
		last[pair] = i
	}
	i := -1
	return slices.DeleteFunc(slices.Clone(merges), func(pair learn.Pair) bool { i++; return last[pair] != i })
}

// quoted returns s, which is valid UTF-8, as a JSON string.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			fmt.Fprintf(&b, "\\u%04x", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
