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

// A question with a long context becomes windows of one length: each has the question, and repeats a part of the window before it.
func ExampleTokenizer_EncodePair() {
	tok, err := tokenizers.Train(tokenizers.TrainOptions{Model: tokenizers.TrainWordPiece, VocabSize: 40}, corpus)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := tok.EncodePair("newest", "low lower lowest wide wider widest", tokenizers.EncodeOptions{
		AddSpecial: true,
		Truncate:   &tokenizers.Truncation{MaxTokens: 7, Strategy: tokenizers.OnlySecond, Stride: 1, Overflow: true},
		Pad:        &tokenizers.Padding{Tokens: 7, ID: 0, Token: "[PAD]"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Tokens)
	for _, window := range e.Overflowing {
		fmt.Println(window.Tokens)
	}
	// Output:
	// [[CLS] newest [SEP] low lower lowest [SEP]]
	// [[CLS] newest [SEP] lowest wide wider [SEP]]
	// [[CLS] newest [SEP] wider widest [SEP] [PAD]]
}
