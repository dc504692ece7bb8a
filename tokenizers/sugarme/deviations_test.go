package sugarme

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers"
)

// measured counts on how many texts the library does the same as package tokenizers.
type measured struct{ texts, ids, both, failed int }

func (m measured) String() string {
	percent := func(n int) float64 { return 100 * float64(n) / float64(m.texts) }
	return fmt.Sprintf("ids %.1f %%, ids and offsets %.1f %%, failures %d of %d", percent(m.ids), percent(m.both), m.failed, m.texts)
}

func measure(t *testing.T, data []byte, texts []string) (measured, error) {
	t.Helper()
	want, err := tokenizers.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(data)
	if err != nil {
		return measured{}, err
	}
	m := measured{texts: len(texts)}
	for _, text := range texts {
		w, err := want.Encode(text, tokenizers.EncodeOptions{AddSpecial: true})
		if err != nil {
			t.Fatal(err)
		}
		g, err := got.Encode(text, tokenizers.EncodeOptions{AddSpecial: true})
		switch {
		case err != nil:
			m.failed++
		case slices.Equal(g.IDs, w.IDs):
			m.ids++
			if slices.Equal(g.Offsets, w.Offsets) {
				m.both++
			}
		}
	}
	return m, nil
}

// The package comment gives what this measures, in minutes.
func TestDeviations(t *testing.T) {
	if os.Getenv("SHARDMILL_SOAK") == "" {
		t.Skip("takes minutes: set SHARDMILL_SOAK=1")
	}
	lines := roughtext.Lines(8000)
	for _, test := range []struct {
		name  string
		loads bool
	}{
		{"gpt2", true}, {"roberta-base", true}, {"bert-base-uncased", true}, {"distilbert-base-uncased", true}, {"t5-base", true}, {"llama-2", true},
		{"gpt-neox-olmo-dolma-v1_5", true}, {"llama-3-8b-instruct", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := os.ReadFile(realdata.Path(t, "tokenizers/"+test.name+"/tokenizer.json"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := measure(t, data, lines)
			if (err == nil) != test.loads {
				t.Errorf("loading gives %v", err)
			}
			if err == nil {
				t.Log(m)
			} else {
				t.Log(err)
			}
		})
	}
}
