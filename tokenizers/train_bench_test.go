package tokenizers

import (
	"fmt"
	"os"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
)

// go test ./tokenizers -run '^$' -bench Train
//
// On 50 MB, beside the reference: conformance/tokenizers/compare_training.py --speed.
func BenchmarkTrain(b *testing.B) {
	text, err := os.ReadFile(realdata.Path(b, "corpora/tinyshakespeare.txt"))
	if err != nil {
		b.Fatal(err)
	}
	for _, model := range []string{TrainBPE, TrainWordPiece, TrainUnigram, TrainWordLevel} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("model=%s/workers=%d", model, workers), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					o := TrainOptions{Model: model, VocabSize: 5000, Workers: workers}
					_, err := Train(o, func(yield func([]byte, error) bool) {
						for rest := text; len(rest) > 0; rest = rest[min(len(rest), 8192):] {
							if !yield(rest[:min(len(rest), 8192)], nil) {
								return
							}
						}
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
