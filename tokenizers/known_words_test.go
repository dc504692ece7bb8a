package tokenizers

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
)

// TestSplitPlan holds the plan for patterns equal to the parts, for text that is not valid UTF-8 too.
func TestSplitPlan(t *testing.T) {
	const old = `"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`
	for _, pattern := range []string{gpt2Pattern, llama3Pattern, qwen2Pattern, anyCountDigits, o200kPattern} {
		quoted, err := json.Marshal(pattern)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := Load(edited(t, "bpe.tokenizer.json", old, fmt.Sprintf(`"pre_tokenizer":{"type":"Sequence","pretokenizers":[
			{"type":"Split","pattern":{"Regex":%s},"behavior":"Isolated","invert":false},
			{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`, quoted)))
		if err != nil {
			t.Fatal(err)
		}
		if tok.plan == nil {
			t.Fatalf("no plan for %s", pattern)
		}
		e, parts := tok.NewEncoder(1<<16), tok.NewEncoder(0) // what they cache is not the same
		for i, line := range roughtext.Lines(1500) {
			text := []byte(line)
			if i%3 == 0 && len(text) > 2 {
				text[len(text)/2] = 0xE2 + byte(i%29)
			}
			if len(text) == 0 {
				continue
			}
			same(t, fmt.Sprintf("%s of %q", pattern, text), e.append(nil, text, ^uint32(0)), parts.appendByParts(nil, text))
		}
	}
}
