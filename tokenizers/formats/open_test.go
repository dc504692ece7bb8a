package formats

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers"
)

func open(t testing.TB, path string) *tokenizers.Tokenizer {
	t.Helper()
	tok, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// sameIDs compares what two tokenizers make of rough texts, those left out that hold one of the strings.
func sameIDs(t *testing.T, got, want *tokenizers.Tokenizer, lines int, without ...string) {
	t.Helper()
	compared := 0
	for i, text := range roughtext.Lines(lines) {
		if i%8 != 0 || slices.ContainsFunc(without, func(s string) bool { return strings.Contains(text, s) }) {
			continue
		}
		compared++
		a, err1 := got.Encode(text, tokenizers.EncodeOptions{AddSpecial: true})
		b, err2 := want.Encode(text, tokenizers.EncodeOptions{AddSpecial: true})
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if !slices.Equal(a.IDs, b.IDs) || !slices.Equal(a.Offsets, b.Offsets) {
			k := 0
			for k < min(len(a.IDs), len(b.IDs)) && a.IDs[k] == b.IDs[k] && a.Offsets[k] == b.Offsets[k] {
				k++
			}
			t.Fatalf("text %d, %q: from token %d on %q at %v, want %q at %v", i, text, k, a.Tokens[k:], a.Offsets[k:], b.Tokens[k:], b.Offsets[k:])
		}
	}
	if compared < lines/10 {
		t.Errorf("only %d of %d texts were compared", compared, lines)
	}
}

// What other files make is what the published tokenizer.json of the same model makes.
func TestOpenEqualsPublished(t *testing.T) {
	tests := []struct {
		file, published string
		without         []string
	}{
		{"bert-base-uncased/vocab.txt", "bert-base-uncased", nil},
		{"gpt2/vocab.json", "gpt2", nil},
		{"gpt2/merges.txt", "gpt2", nil},
		{"tiktoken/r50k_base.tiktoken", "gpt2", nil},
		{"roberta-base/vocab.json", "roberta-base", nil},
		{"llama-3-8b-instruct/tiktoken.model", "llama-3-8b-instruct", nil},
		// The published file seeks its special tokens in normalized text, and has three tokens of its own.
		{"llama-2/tokenizer.model", "llama-2", []string{"<s>", "</s>", "<unk>", "|||"}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			got := open(t, realdata.Path(t, "tokenizers/"+test.file))
			want := open(t, realdata.Path(t, "tokenizers/"+test.published+"/tokenizer.json"))
			if test.without == nil && got.VocabSize() != want.VocabSize() {
				t.Errorf("VocabSize is %d, want %d", got.VocabSize(), want.VocabSize())
			}
			sameIDs(t, got, want, 3000, test.without...)
		})
	}
}

func TestOpenFolder(t *testing.T) {
	for folder, model := range map[string]string{
		"albert-base-v2": "Unigram", "xlnet-base-cased": "Unigram", "mistral-7b-v1": "BPE", "qwen": "BPE", "bert-base-cased": "WordPiece", "gpt2": "BPE", "t5-base": "Unigram",
	} {
		t.Run(folder, func(t *testing.T) {
			if got := open(t, realdata.Path(t, "tokenizers/"+folder)).Model(); got != model {
				t.Errorf("the model is %s, want %s", got, model)
			}
		})
	}
	if _, err := Open(realdata.Path(t, "tokenizers/tiktoken")); err == nil || !strings.Contains(err.Error(), "name one of them") {
		t.Errorf("a folder with four files of ranks gives %v", err)
	}
}

// appendField appends a field of a protocol buffer that has a length.
func appendField(dst []byte, number int, value []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(number)<<3|2)
	return append(binary.AppendUvarint(dst, uint64(len(value))), value...)
}

// appendPiece appends a piece to a model of SentencePiece.
func appendPiece(dst []byte, p spPiece) []byte {
	piece := appendField(nil, pieceText, []byte(p.text))
	piece = append(piece, pieceScore<<3|5)
	piece = binary.LittleEndian.AppendUint32(piece, math.Float32bits(p.score))
	piece = append(piece, pieceKind<<3, byte(p.kind))
	return appendField(dst, modelPieces, piece)
}

// A model of SentencePiece made of the pieces of T5's tokenizer.json becomes that tokenizer again.
func TestSentencePieceOfPublished(t *testing.T) {
	want := open(t, realdata.Path(t, "tokenizers/t5-base/tokenizer.json"))
	var file struct {
		Normalizer struct {
			Normalizers []struct {
				Charsmap []byte `json:"precompiled_charsmap"`
			}
		}
		Model struct{ Vocab [][2]any }
	}
	if err := json.Unmarshal(want.Raw(), &file); err != nil {
		t.Fatal(err)
	}
	var model []byte
	for i, entry := range file.Model.Vocab {
		p := spPiece{entry[0].(string), float32(entry[1].(float64)), spNormal}
		switch {
		case strings.HasPrefix(p.text, "<extra_id_"):
			continue
		case i == 2:
			p.kind = spUnknown
		case i < 2:
			p.kind = spControl
		}
		model = appendPiece(model, p)
	}
	model = appendField(model, modelNormalizer, appendField(nil, normalizerCharsmap, file.Normalizer.Normalizers[0].Charsmap))
	path := filepath.Join(t.TempDir(), "spiece.model")
	if err := os.WriteFile(path, model, 0o600); err != nil {
		t.Fatal(err)
	}
	sameIDs(t, open(t, path), want, 3000)
}

// A tokenizer that was composed is saved as a file that gives the same again.
func TestComposedIsSaved(t *testing.T) {
	tok := open(t, realdata.Path(t, "tokenizers/bert-base-cased"))
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.WriteFile(path, tok.Raw(), 0o600); err != nil {
		t.Fatal(err)
	}
	sameIDs(t, open(t, path), tok, 600)
}
