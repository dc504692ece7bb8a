package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// fromMerges reads a vocab.json, an object of tokens and ids, and a merges.txt, one pair a line in order of rank (Sennrich et al. 2016; Radford et al.
// 2019).
func fromMerges(vocab, merges []byte, s *settings) (*document, error) {
	d := &document{decoder: `{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}`, hasMerges: true}
	var err error
	if d.vocab, err = readVocabJSON(vocab); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	if d.merges, err = readMerges(merges); err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	ids := d.ids()
	if _, ok := ids["Ġ"]; !ok {
		return nil, errors.New("vocab.json: lacks Ġ, which stands for the space in byte-level BPE: other BPE vocabularies need their tokenizer.json")
	}
	prefixSpace := isTrue(s.AddPrefixSpace, false)
	d.preTokenizer = fmt.Sprintf(`{"type": "ByteLevel", "add_prefix_space": %t, "trim_offsets": true, "use_regex": true}`, prefixSpace)
	d.model = `"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false`
	cls, sep, mask := s.CLS.or("<s>"), s.SEP.or("</s>"), s.Mask.or("<mask>")
	_, hasCLS := ids[cls]
	_, hasSEP := ids[sep]
	_, hasMask := ids[mask]
	if hasCLS && hasSEP && hasMask {
		d.postProcessor = fmt.Sprintf(`{"type": "RobertaProcessing", "sep": [%s, %d], "cls": [%s, %d], "trim_offsets": true, "add_prefix_space": %t}`,
			encode(sep), ids[sep], encode(cls), ids[cls], prefixSpace)
		for _, name := range []string{cls, s.PAD.or("<pad>"), sep, s.UNK.or("<unk>"), mask} {
			if id, ok := ids[name]; ok {
				t := special(id, name)
				t.Normalized, t.LStrip = true, name == mask
				d.addMissing([]addedToken{t})
			}
		}
	} else {
		d.postProcessor = `{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}`
		for _, name := range []string{s.UNK.or("<|endoftext|>"), s.BOS.or("<|endoftext|>"), s.EOS.or("<|endoftext|>")} {
			if id, ok := ids[name]; ok {
				t := special(id, name)
				t.Normalized = true
				d.addMissing([]addedToken{t})
			}
		}
	}
	d.addMissing(s.added)
	return d, nil
}

func readVocabJSON(data []byte) ([]vocabEntry, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not valid UTF-8")
	}
	ids := map[string]int{}
	if err := json.Unmarshal(data, &ids); err != nil {
		return nil, err
	}
	entries := make([]vocabEntry, 0, len(ids))
	for token, id := range ids {
		if id < 0 || id >= maxIDs {
			return nil, fmt.Errorf("%q: %d is not a whole number from 0 to %d", token, id, maxIDs-1)
		}
		entries = append(entries, vocabEntry{token: token, id: id})
	}
	slices.SortFunc(entries, func(a, b vocabEntry) int {
		if a.id != b.id {
			return a.id - b.id
		}
		return strings.Compare(a.token, b.token)
	})
	for i := 1; i < len(entries); i++ {
		if entries[i].id == entries[i-1].id {
			return nil, fmt.Errorf("%q: id %d belongs to %q already", entries[i].token, entries[i].id, entries[i-1].token)
		}
	}
	return entries, nil
}

// versionLine begins the first line of most files of merges.
const versionLine = "#version"

func readMerges(data []byte) ([][2]string, error) {
	merges := [][2]string{}
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		text := string(bytes.TrimSuffix(line, []byte("\r")))
		if text == "" || number == 1 && strings.HasPrefix(text, versionLine) {
			continue
		}
		left, right, ok := strings.Cut(text, " ")
		switch {
		case !ok || left == "" || right == "" || strings.Contains(right, " "):
			return nil, fmt.Errorf("line %d: %q is not two tokens with a space between them", number, shortened(text))
		case !utf8.ValidString(text):
			return nil, fmt.Errorf("line %d: %q is not valid UTF-8", number, shortened(text))
		}
		merges = append(merges, [2]string{left, right})
	}
	return merges, nil
}

// shortened returns the beginning of a text for an error.
func shortened(text string) string {
	const maxBytes = 64
	if len(text) <= maxBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxBytes], "") + "…"
}
