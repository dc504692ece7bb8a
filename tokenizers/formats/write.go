package formats

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/shardmill/shardmill/tokenizers"
)

// Formats that [Convert] writes.
const (
	TokenizerJSON = "tokenizer.json"
	VocabText     = "vocab.txt" // with tokenizer_config.json
	Merges        = "merges"    // vocab.json and merges.txt, with tokenizer_config.json
	Tiktoken      = "tiktoken"  // a list of ranks
)

// File is a file that holds a tokenizer or a part of it.
type File struct {
	Name string
	Data []byte
}

// Convert returns the files that hold a tokenizer in one of the formats above. It reads them again before it returns them: a tokenizer with a part that the
// format can't say is refused by the name of that part. A list of ranks holds neither pattern nor special tokens; its file is named after the encoding whose
// pattern is the same. Truncation and padding are carried by tokenizer.json alone.
func Convert(t *tokenizers.Tokenizer, format string) ([]File, error) {
	var files []File
	original, err := parse(t.Raw())
	if err == nil {
		switch format {
		case TokenizerJSON:
			files = []File{{TokenizerJSON, t.Raw()}}
		case VocabText:
			files, err = original.vocabText()
		case Merges:
			files, err = original.mergeFiles()
		case Tiktoken:
			files, err = original.rankFile()
		default:
			err = fmt.Errorf("the format is not known: %s, %s, %s and %s are", TokenizerJSON, VocabText, Merges, Tiktoken)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("convert tokenizer to %s: %w", format, err)
	}
	return files, nil
}

// parsed is a tokenizer.json as far as other formats can say what it says.
type parsed struct {
	Added         []addedToken `json:"added_tokens"`
	Normalizer    map[string]any
	PreTokenizer  map[string]any `json:"pre_tokenizer"`
	PostProcessor map[string]any `json:"post_processor"`
	Model         struct {
		Vocab  json.RawMessage
		Merges []mergePair
	}
	settings map[string]any // of the model, without vocabulary and merges
	vocab    []vocabEntry   // by id
	merges   [][2]string
}

// mergePair is a merge, written "a b" or ["a", "b"].
type mergePair [2]string

func (m *mergePair) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		return json.Unmarshal(data, (*[2]string)(m))
	}
	var both string
	err := json.Unmarshal(data, &both)
	m[0], m[1], _ = strings.Cut(both, " ")
	return err
}

// parse reads a tokenizer.json that package tokenizers has loaded.
func parse(raw []byte) (*parsed, error) {
	p := &parsed{}
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, err
	}
	var rest struct{ Model map[string]json.RawMessage }
	if err := json.Unmarshal(raw, &rest); err != nil {
		return nil, err
	}
	p.settings = map[string]any{}
	for name, value := range rest.Model {
		if name == "vocab" || name == "merges" {
			continue
		}
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return nil, err
		}
		p.settings[name] = v
	}
	delete(p.settings, "type")
	canonical(p.settings)
	for _, part := range []map[string]any{p.Normalizer, p.PreTokenizer, p.PostProcessor} {
		canonical(part)
	}
	if len(p.Model.Vocab) > 0 && p.Model.Vocab[0] == '{' {
		var err error
		if p.vocab, err = readVocabJSON(p.Model.Vocab); err != nil {
			return nil, err
		}
	}
	for _, m := range p.Model.Merges {
		p.merges = append(p.merges, m)
	}
	return p, nil
}

// canonical drops what is as it would be if it were not there: null, "" and false, and a use_regex that is true.
func canonical(part map[string]any) {
	for name, value := range part {
		switch value := value.(type) {
		case nil:
			delete(part, name)
		case string:
			if value == "" {
				delete(part, name)
			}
		case bool:
			if value == (name == "use_regex") {
				delete(part, name)
			}
		case map[string]any:
			canonical(value)
		case []any:
			for _, v := range value {
				if m, ok := v.(map[string]any); ok {
					canonical(m)
				}
			}
		}
	}
}

// equals tells what other says differently.
func (p *parsed) equals(d *document) error {
	other, err := parse(d.bytes())
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name       string
		mine, that any
	}{
		{"normalizer", p.Normalizer, other.Normalizer}, {"pre_tokenizer", p.PreTokenizer, other.PreTokenizer}, {"post_processor", p.PostProcessor, other.PostProcessor},
		{"model", p.settings, other.settings}, {"model.vocab", p.vocab, other.vocab}, {"model.merges", p.merges, other.merges}, {"added_tokens", p.Added, other.Added},
	} {
		if !reflect.DeepEqual(part.mine, part.that) {
			return fmt.Errorf("its %s can't be said in this format: keep tokenizer.json", part.name)
		}
	}
	return nil
}

// config returns tokenizer_config.json with what the vocabulary does not say.
func (p *parsed) config(fields map[string]any) ([]byte, *settings, error) {
	added := map[string]any{}
	for _, t := range p.Added {
		added[strconv.Itoa(t.ID)] = map[string]any{"content": t.Content, "single_word": t.SingleWord, "lstrip": t.LStrip, "rstrip": t.RStrip, "normalized": t.Normalized, "special": t.Special}
	}
	fields["added_tokens_decoder"] = added
	data, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	s := &settings{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, nil, err
	}
	s.added = p.Added
	return append(data, '\n'), s, nil
}

func (p *parsed) vocabText() ([]File, error) {
	if p.settings["continuing_subword_prefix"] != "##" {
		return nil, errors.New("it is not a WordPiece tokenizer whose prefix is ##")
	}
	var text strings.Builder
	next := 0
	for _, e := range p.vocab {
		for ; next < e.id; next++ {
			text.WriteByte('\n') // a gap
		}
		if e.token == "" || strings.ContainsAny(e.token, "\r\n") {
			return nil, fmt.Errorf("token %d, %q, can't stand on a line", e.id, e.token)
		}
		text.WriteString(e.token + "\n")
		next++
	}
	fields := map[string]any{"tokenizer_class": "BertTokenizer", "do_lower_case": p.Normalizer["lowercase"] == true,
		"tokenize_chinese_chars": p.Normalizer["handle_chinese_chars"] == true, "strip_accents": p.Normalizer["strip_accents"], "unk_token": p.settings["unk_token"]}
	config, s, err := p.config(fields)
	if err != nil {
		return nil, err
	}
	d, err := fromVocabText([]byte(text.String()), s)
	if err == nil {
		err = p.equals(d)
	}
	return []File{{"vocab.txt", []byte(text.String())}, {"tokenizer_config.json", config}}, err
}

func (p *parsed) mergeFiles() ([]File, error) {
	var vocab, merges strings.Builder
	vocab.WriteByte('{')
	for i, e := range p.vocab {
		if i > 0 {
			vocab.WriteString(", ")
		}
		fmt.Fprintf(&vocab, "%s: %d", encode(e.token), e.id)
	}
	vocab.WriteString("}\n")
	merges.WriteString(versionLine + ": 0.2\n")
	for _, m := range p.merges {
		merges.WriteString(m[0] + " " + m[1] + "\n")
	}
	fields := map[string]any{"add_prefix_space": p.PreTokenizer["add_prefix_space"] == true}
	config, s, err := p.config(fields)
	if err != nil {
		return nil, err
	}
	d, err := fromMerges([]byte(vocab.String()), []byte(merges.String()), s)
	if err == nil {
		err = p.equals(d)
	}
	return []File{{"vocab.json", []byte(vocab.String())}, {"merges.txt", []byte(merges.String())}, {"tokenizer_config.json", config}}, err
}

// rankFile writes all tokens but the added ones, which must be their ids' order and that of the merges.
func (p *parsed) rankFile() ([]File, error) {
	list := rankList{ranks: map[string]int{}, byID: map[int]string{}}
	var text strings.Builder
	for _, e := range p.vocab {
		if slices.ContainsFunc(p.Added, func(t addedToken) bool { return t.Content == e.token }) {
			continue
		}
		token, ok := hidden(e.token)
		if !ok {
			return nil, fmt.Errorf("token %d, %q, is not of a byte-level BPE", e.id, e.token)
		}
		line := base64.StdEncoding.EncodeToString([]byte(token)) + " " + strconv.Itoa(e.id)
		if err := list.add([]byte(line)); err != nil {
			return nil, fmt.Errorf("token %d: %w", e.id, err)
		}
		text.WriteString(line + "\n")
	}
	data := []byte(text.String())
	l, err := readRanks(data)
	if err != nil {
		return nil, err
	}
	own := make([][2]string, len(p.merges))
	for i, m := range p.merges {
		left, ok1 := hidden(m[0])
		right, ok2 := hidden(m[1])
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("merge %d is not of a byte-level BPE", i)
		}
		own[i] = [2]string{left, right}
	}
	all := l.cuts()
	oneEach := l.merges()
	whole := p.settings["ignore_merges"] == true || len(oneEach) == len(l.tokens)-256
	if !whole || !slices.Equal(own, oneEach) && !slices.Equal(own, all) {
		return nil, errors.New("its merges are not those that follow from the order of its tokens: keep tokenizer.json")
	}
	for _, e := range encodings {
		d, err := fromRanks(data, "", e.name, &settings{})
		if err != nil {
			continue // a special token of the encoding has the id of a token here
		}
		other, err := parse(d.bytes())
		if err != nil {
			return nil, err
		}
		if reflect.DeepEqual(p.Normalizer, other.Normalizer) && reflect.DeepEqual(p.PreTokenizer, other.PreTokenizer) {
			return []File{{e.name + ".tiktoken", data}}, nil
		}
	}
	return nil, fmt.Errorf("it splits text as none of %v does: keep tokenizer.json", Encodings())
}
