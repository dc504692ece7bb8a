package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/tokenizers/formats"
	"github.com/shardmill/shardmill/tokenizers/sugarme"
)

// Back ends that encode text.
const (
	backendOwn     = "shardmill"
	backendSugarme = "sugarme"
)

// textEncoder is a back end.
type textEncoder interface {
	Encode(text string, o tokenizers.EncodeOptions) (tokenizers.Encoding, error)
	EncodePair(first, second string, o tokenizers.EncodeOptions) (tokenizers.Encoding, error)
}

// tokenizerFormats says in a help text what a command takes for a tokenizer.
const tokenizerFormats = `tokenizer.json, vocab.txt, vocab.json with merges.txt beside it, tiktoken ranks, a SentencePiece model,
or a folder that holds one of these`

// backendFlag adds the flag that chooses a back end.
func backendFlag(f *pflag.FlagSet, name *string, flag, what string) {
	f.StringVar(name, flag, backendOwn, fmt.Sprintf("%s: %s, or %s to compare with that library", what, backendOwn, backendSugarme))
}

// openBackend loads a tokenizer of any format into a back end.
func openBackend(path, name string) (textEncoder, error) {
	if name != backendOwn && name != backendSugarme {
		return nil, usageError{fmt.Errorf("back end %q: want %s or %s", name, backendOwn, backendSugarme)}
	}
	t, err := formats.Open(path)
	if err != nil || name == backendOwn {
		return t, err
	}
	other, err := sugarme.Load(t.Raw())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return other, nil
}
