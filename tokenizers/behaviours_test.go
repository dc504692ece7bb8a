package tokenizers

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

type recordedBehaviours struct {
	Cases []struct {
		Name, Base string
		Changes    map[string]json.RawMessage
		Texts      []string
		Results    []struct {
			IDs              []uint32
			Tokens           []string
			Offsets          [][2]int
			Words            []int
			Plain            []string
			Decoded, Skipped string
			Split            struct {
				Tokens  []string
				Offsets [][2]int
				Words   []int
			}
			Pair struct {
				Offsets [][2]int
				Words   []int
				Types   []uint32
			}
		}
	}
}

// changed returns a tokenizer of testdata with some of its members replaced; of the model, with some settings replaced.
func changed(t *testing.T, base string, changes map[string]json.RawMessage) *Tokenizer {
	t.Helper()
	data, err := os.ReadFile("testdata/" + base + ".tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	var file, model map[string]json.RawMessage
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file["model"], &model); err != nil {
		t.Fatal(err)
	}
	maps.Copy(file, changes)
	if settings, ok := changes["model"]; ok {
		if err := json.Unmarshal(settings, &model); err != nil {
			t.Fatal(err)
		}
		if file["model"], err = json.Marshal(model); err != nil {
			t.Fatal(err)
		}
	}
	if data, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	tok, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestReferenceBehaviours(t *testing.T) {
	var want recordedBehaviours
	readJSON(t, "reference_behaviours.json", &want)
	if len(want.Cases) < 30 {
		t.Fatalf("%d cases are recorded", len(want.Cases))
	}
	for _, c := range want.Cases {
		t.Run(c.Name, func(t *testing.T) {
			tok := changed(t, c.Base, c.Changes)
			before := ""
			for i, text := range c.Texts {
				want := c.Results[i]
				e := encode(t, tok, text, EncodeOptions{AddSpecial: true})
				pair, err := tok.EncodePair(before, text, EncodeOptions{AddSpecial: true})
				if err != nil {
					t.Fatal(err)
				}
				texts := []string{before, text}
				before = text
				same(t, text+": ids", e.IDs, want.IDs)
				same(t, text+": tokens", e.Tokens, want.Tokens)
				same(t, text+": offsets", RuneOffsets(text, e.Offsets), want.Offsets)
				same(t, text+": words", e.WordIDs, want.Words)
				same(t, text+": decoded", []string{tok.Decode(e.IDs, false), tok.Decode(e.IDs, true)}, []string{want.Decoded, want.Skipped})
				same(t, text+": pair words", pair.WordIDs, want.Pair.Words)
				same(t, text+": pair types", pair.TypeIDs, want.Pair.Types)
				for k, s := range pair.SequenceIDs {
					if s >= 0 {
						pair.Offsets[k] = RuneOffsets(texts[s], pair.Offsets[k:k+1])[0]
					}
				}
				same(t, text+": pair offsets", pair.Offsets, want.Pair.Offsets)
				words := strings.Split(text, " ")
				split, err := tok.EncodeWords(words, EncodeOptions{AddSpecial: true})
				if err != nil {
					t.Fatal(err)
				}
				for k, w := range split.WordIDs {
					if w >= 0 {
						split.Offsets[k] = RuneOffsets(words[w], split.Offsets[k:k+1])[0]
					}
				}
				same(t, text+": tokens of words", split.Tokens, want.Split.Tokens)
				same(t, text+": offsets in words", split.Offsets, want.Split.Offsets)
				same(t, text+": words", split.WordIDs, want.Split.Words)
				plain := encode(t, tok, text, EncodeOptions{SpecialIsText: true})
				same(t, text+": special tokens as text", plain.Tokens, want.Plain)
				same(t, text+": ids of the encoder", tok.NewEncoder(wordcache.MinBytes).AppendIDs(nil, []byte(text)), plain.IDs)
			}
		})
	}
}
