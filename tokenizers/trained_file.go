package tokenizers

import (
	"bytes"
	"fmt"
	"strings"
)

// trainedFile returns the tokenizer.json of a training. Merges are written "a b", which every version of the reference reads.
func trainedFile(o TrainOptions, l *pairLearner) []byte {
	var b bytes.Buffer
	b.WriteString("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [")
	for i, s := range o.SpecialTokens {
		fmt.Fprintf(&b, `%s{"id": %d, "content": %s, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}`,
			separator(i), l.ids[s], quoted(s))
	}
	b.WriteString("\n  ],\n")
	if o.Model == TrainBPE {
		b.WriteString(`  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "ignore_merges": false,
`)
	} else {
		fmt.Fprintf(&b, `  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": %t},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": %s,
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
`, o.Lowercase, bertTemplate(l.ids))
	}
	b.WriteString("    \"vocab\": {")
	for id, s := range l.tokens {
		fmt.Fprintf(&b, "%s%s: %d", separator(id), quoted(s), id)
	}
	b.WriteString("\n    }")
	if o.Model == TrainBPE {
		b.WriteString(",\n    \"merges\": [")
		for i, pair := range distinctMerges(l.merges) {
			fmt.Fprintf(&b, "%s%s", separator(i), quoted(l.tokens[pair>>32]+" "+l.tokens[uint32(pair)]))
		}
		b.WriteString("\n    ]")
	}
	b.WriteString("\n  }\n}\n")
	return b.Bytes()
}

func separator(i int) string {
	if i == 0 {
		return "\n      "
	}
	return ",\n      "
}

// bertTemplate returns the post-processor of BERT, or null where its tokens are missing.
func bertTemplate(ids map[string]uint32) string {
	cls, ok1 := ids["[CLS]"]
	sep, ok2 := ids["[SEP]"]
	if !ok1 || !ok2 {
		return "null"
	}
	piece := func(kind, id string, typeID int) string {
		return fmt.Sprintf(`{"%s": {"id": "%s", "type_id": %d}}`, kind, id, typeID)
	}
	single := []string{piece("SpecialToken", "[CLS]", 0), piece("Sequence", "A", 0), piece("SpecialToken", "[SEP]", 0)}
	pair := append(single[:3:3], piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1))
	return fmt.Sprintf(`{
    "type": "TemplateProcessing",
    "single": [%s],
    "pair": [%s],
    "special_tokens": {
      "[CLS]": {"id": "[CLS]", "ids": [%d], "tokens": ["[CLS]"]},
      "[SEP]": {"id": "[SEP]", "ids": [%d], "tokens": ["[SEP]"]}
    }
  }`, strings.Join(single, ", "), strings.Join(pair, ", "), cls, sep)
}

// distinctMerges leaves of a pair that was merged more than once the last merge, as a table of ranks does.
func distinctMerges(merges []uint64) []uint64 {
	last := make(map[uint64]int, len(merges))
	for i, pair := range merges {
		last[pair] = i
	}
	var out []uint64
	for i, pair := range merges {
		if last[pair] == i {
			out = append(out, pair)
		}
	}
	return out
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
