package formats

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// settings are what lies beside a vocabulary: members of tokenizer_config.json that say how text is encoded. Nil and empty mean that the file does not say.
type settings struct {
	Class          string    `json:"tokenizer_class"`
	Lowercase      *bool     `json:"do_lower_case"`
	StripAccents   *bool     `json:"strip_accents"`
	ChineseChars   *bool     `json:"tokenize_chinese_chars"`
	KeepAccents    *bool     `json:"keep_accents"`
	Legacy         *bool     `json:"legacy"`
	AddPrefixSpace *bool     `json:"add_prefix_space"`
	AddBOS         *bool     `json:"add_bos_token"`
	AddEOS         *bool     `json:"add_eos_token"`
	ExtraIDs       *int      `json:"extra_ids"`
	BOS            tokenName `json:"bos_token"`
	EOS            tokenName `json:"eos_token"`
	UNK            tokenName `json:"unk_token"`
	SEP            tokenName `json:"sep_token"`
	PAD            tokenName `json:"pad_token"`
	CLS            tokenName `json:"cls_token"`
	Mask           tokenName `json:"mask_token"`

	AddedByID map[string]addedToken `json:"added_tokens_decoder"`

	modelType string       // of config.json
	added     []addedToken // of added_tokens_decoder and added_tokens.json, by id
}

// tokenName is a token, written as a string or as an object with its content.
type tokenName string

func (n *tokenName) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var object struct {
			Content string `json:"content"`
		}
		err := json.Unmarshal(data, &object)
		*n = tokenName(object.Content)
		return err
	}
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if s != nil {
		*n = tokenName(*s)
	}
	return nil
}

// or returns the token, or another where the file does not say.
func (n tokenName) or(other string) string {
	if n == "" {
		return other
	}
	return string(n)
}

// addedToken is a token that is found in the text before anything else happens to it, as tokenizer.json writes it.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

const (
	maxSettingsBytes = 16 << 20
	maxIDs           = 1 << 22 // as package tokenizers
)

// readSettings reads what lies beside a vocabulary in a folder. Files that are not there say nothing.
func readSettings(folder string) (*settings, error) {
	s := &settings{}
	if err := readJSON(filepath.Join(folder, "tokenizer_config.json"), s); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(folder, "special_tokens_map.json"), &specialTokensMap{s}); err != nil {
		return nil, err
	}
	var config struct {
		ModelType string `json:"model_type"`
	}
	if err := readJSON(filepath.Join(folder, "config.json"), &config); err != nil {
		return nil, err
	}
	s.modelType = config.ModelType
	ids := map[string]int{}
	if err := readJSON(filepath.Join(folder, "added_tokens.json"), &ids); err != nil {
		return nil, err
	}
	for text, t := range s.AddedByID {
		id, err := strconv.Atoi(text)
		if err != nil || id < 0 || id >= maxIDs {
			return nil, fmt.Errorf("%s: added_tokens_decoder: %q is not an id", filepath.Join(folder, "tokenizer_config.json"), text)
		}
		t.ID = id
		s.added = append(s.added, t)
		delete(ids, t.Content)
	}
	for content, id := range ids {
		if id < 0 || id >= maxIDs {
			return nil, fmt.Errorf("%s: %q: %d is not an id", filepath.Join(folder, "added_tokens.json"), content, id)
		}
		s.added = append(s.added, addedToken{ID: id, Content: content, Special: s.isNamed(content)})
	}
	slices.SortFunc(s.added, func(a, b addedToken) int { return a.ID - b.ID })
	return s, nil
}

// specialTokensMap fills names that tokenizer_config.json has not given.
type specialTokensMap struct{ settings *settings }

func (m *specialTokensMap) UnmarshalJSON(data []byte) error {
	var other settings
	if err := json.Unmarshal(data, &other); err != nil {
		return err
	}
	from := other.names()
	for i, name := range m.settings.names() {
		if *name == "" {
			*name = *from[i]
		}
	}
	return nil
}

func (s *settings) names() []*tokenName {
	return []*tokenName{&s.BOS, &s.EOS, &s.UNK, &s.SEP, &s.PAD, &s.CLS, &s.Mask}
}

// isNamed tells whether a token has a role, which makes it special.
func (s *settings) isNamed(content string) bool {
	return content != "" && slices.ContainsFunc(s.names(), func(n *tokenName) bool { return string(*n) == content })
}

// readJSON reads a file into value, if it is there.
func readJSON(path string, value any) error {
	data, err := readFile(path, maxSettingsBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readFile reads a file of no more than limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: has %d bytes: at most %d are read", path, info.Size(), limit)
	}
	data, err := os.ReadFile(path)
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: has grown beyond %d bytes", path, limit)
	}
	return data, err
}

// isTrue returns what a setting says, or fallback where it says nothing.
func isTrue(setting *bool, fallback bool) bool {
	if setting == nil {
		return fallback
	}
	return *setting
}
