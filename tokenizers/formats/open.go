package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shardmill/shardmill/tokenizers"
)

// Options says what a file leaves open.
type Options struct {
	// Encoding names what a list of ranks is read as, one of [Encodings]: its pattern and special tokens. Empty: by the file's name or length.
	Encoding string
}

// maxFileBytes bounds what is read, as package tokenizers does.
const maxFileBytes = 256 << 20

// Open loads the tokenizer that a file or folder holds, whatever its format. See the package comment for what is known and for what counts in a folder.
func Open(path string) (*tokenizers.Tokenizer, error) { return Options{}.Open(path) }

// Open is [Open] with options.
func (o Options) Open(path string) (*tokenizers.Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open tokenizer: %w", err)
	}
	if info.IsDir() {
		if path, err = vocabularyIn(path); err != nil {
			return nil, fmt.Errorf("open tokenizer: %w", err)
		}
	}
	t, err := o.openFile(path)
	if err != nil {
		return nil, fmt.Errorf("open tokenizer %s: %w", path, err)
	}
	return t, nil
}

// vocabularyIn returns the file of a folder that holds its vocabulary.
func vocabularyIn(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	for _, pattern := range []string{"tokenizer.json", "*.tiktoken", "tiktoken.model", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "*.model", "vocab.json", "vocab.txt"} {
		var found []string
		for _, e := range entries {
			if ok, _ := filepath.Match(pattern, e.Name()); ok && !e.IsDir() {
				found = append(found, e.Name())
			}
		}
		switch {
		case len(found) == 1:
			return filepath.Join(folder, found[0]), nil
		case len(found) > 1:
			return "", fmt.Errorf("%s: holds %v: name one of them", folder, found)
		}
	}
	return "", fmt.Errorf("%s: holds no tokenizer.json, *.tiktoken, *.model, vocab.json or vocab.txt", folder)
}

func (o Options) openFile(path string) (*tokenizers.Tokenizer, error) {
	data, err := readFile(path, maxFileBytes)
	if err != nil {
		return nil, err
	}
	kind := kindOf(data, filepath.Base(path))
	if o.Encoding != "" && kind != kindRanks {
		return nil, errors.New("is not a list of ranks: only these are read as an encoding")
	}
	if kind == kindTokenizer {
		return tokenizers.Load(data)
	}
	folder := filepath.Dir(path)
	s, err := readSettings(folder)
	if err != nil {
		return nil, err
	}
	var d *document
	switch kind {
	case kindRanks:
		d, err = fromRanks(data, path, o.Encoding, s)
	case kindSentencePiece:
		d, err = fromSentencePiece(data, path, s)
	case kindVocabJSON, kindMerges:
		d, err = openMerges(path, data, kind, s)
	default:
		if d, err = fromVocabText(data, s); err != nil {
			err = fmt.Errorf("as a vocab.txt, since it is nothing else that is known: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	return d.tokenizer()
}

// openMerges reads the other one of vocab.json and merges.txt too.
func openMerges(path string, data []byte, kind kind, s *settings) (*document, error) {
	other := "merges.txt"
	if kind == kindMerges {
		other = "vocab.json"
	}
	second, err := readFile(filepath.Join(filepath.Dir(path), other), maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("needs %s beside it: %w", other, err)
	}
	if err != nil {
		return nil, err
	}
	if kind == kindMerges {
		return fromMerges(second, data, s)
	}
	return fromMerges(data, second, s)
}

// kind is a format of files.
type kind int

const (
	kindVocabText kind = iota
	kindTokenizer
	kindVocabJSON
	kindMerges
	kindRanks
	kindSentencePiece
)

// kindOf recognises a file by its beginning, and a few by their names.
func kindOf(data []byte, name string) kind {
	start := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case bytes.HasPrefix(start, []byte("{")) && filepath.Ext(name) != ".txt":
		if isVocabJSON(start) {
			return kindVocabJSON
		}
		return kindTokenizer
	case name == "merges.txt" || bytes.HasPrefix(data, []byte(versionLine)):
		return kindMerges
	case isRanks(data):
		return kindRanks
	case isSentencePiece(data):
		return kindSentencePiece
	}
	return kindVocabText
}

// isVocabJSON tells whether the first member of an object is a number.
func isVocabJSON(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	for range 2 { // the bracket and the key
		if _, err := d.Token(); err != nil {
			return false
		}
	}
	value, err := d.Token()
	_, number := value.(float64)
	return err == nil && number
}

// isRanks tells whether the first line is a token in base64 and its rank.
func isRanks(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	l := &rankList{ranks: map[string]int{}, byID: map[int]string{}}
	return l.add(bytes.TrimSuffix(line, []byte("\r"))) == nil
}

// isSentencePiece tells whether the first field is a piece.
func isSentencePiece(data []byte) bool {
	const pieceTag = modelPieces<<3 | 2
	if len(data) < 2 || data[0] != pieceTag {
		return false
	}
	enough := errors.New("the first piece is there")
	err := readMessage(data, func(_ int, v field) error {
		if _, err := readPiece(v.bytes); err != nil {
			return err
		}
		return enough
	})
	return errors.Is(err, enough)
}
