package tokenizers_test

import (
	"fmt"
	"strings"

	"github.com/shardmill/shardmill/tokenizers"
)

// corpus yields a few small documents.
func corpus(yield func([]byte, error) bool) {
	for _, document := range []string{"low lower lowest", "new newer newest", "wide wider widest"} {
		if !yield([]byte(strings.Repeat(document+" ", 10)), nil) {
			return
		}
	}
}

func ExampleTrain() {
	tok, err := tokenizers.Train(tokenizers.TrainOptions{Model: tokenizers.TrainWordPiece, VocabSize: 40}, corpus)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := tok.Encode("The lowest, newer.", tokenizers.EncodeOptions{AddSpecial: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Tokens)
	fmt.Println(e.Offsets)
	// Output:
	// [[CLS] [UNK] lowest [UNK] newer [UNK] [SEP]]
	// [[0 0] [0 3] [4 10] [10 11] [12 17] [17 18] [0 0]]
}

func ExampleTokenizer_NewEncoder() {
	tok, err := tokenizers.Train(tokenizers.TrainOptions{Model: tokenizers.TrainBPE, VocabSize: 280}, corpus)
	if err != nil {
		fmt.Println(err)
		return
	}
	encoder := tok.NewEncoder(1 << 20) // one for each goroutine
	var ids []uint32
	for _, document := range []string{"low wide\n", "newest lowest"} {
		ids = encoder.AppendIDs(ids[:0], []byte(document))
		fmt.Printf("%d ids: %q\n", len(ids), tok.Decode(ids, false))
	}
	// Output:
	// 4 ids: "low wide\n"
	// 3 ids: "newest lowest"
}
