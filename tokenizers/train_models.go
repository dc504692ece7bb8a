package tokenizers

import (
	"cmp"
	"slices"
	"sort"

	"github.com/shardmill/shardmill/tokenizers/internal/learn"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcount"
)

// learn makes a vocabulary from counted words.
func (t *training) learn(words *wordcount.Sorted) (learned, error) {
	switch t.o.Model {
	case TrainUnigram:
		return t.learnPieces(words)
	case TrainWordLevel:
		return t.learnWords(words)
	}
	return t.learnMerges(words)
}

// made reports the number of tokens so far.
func (t *training) made(tokens int) error {
	t.progress.Tokens = tokens
	return t.o.Progress(t.progress)
}

func (t *training) learnMerges(words *wordcount.Sorted) (learned, error) {
	symbols := byteSymbols
	if !t.bytes {
		symbols = t.charSymbols
	}
	tokens, spell, err := symbols(words)
	if err != nil {
		return learned{}, err
	}
	tokens = slices.Concat(t.reserved, tokens)
	learner := learn.NewPairs(learn.PairOptions{
		VocabSize: t.o.VocabSize, MinFrequency: t.o.MinFrequency, Prefix: t.prefix, MaxTokenLength: uint32(t.o.MaxTokenLength), Progress: t.made,
	}, tokens)
	if n := learner.Tokens(); n > t.o.VocabSize {
		return learned{}, t.tooSmall(n)
	}
	err = words.Each(spell(learner))
	if err != nil {
		return learned{}, err
	}
	v := learned{}
	v.tokens, v.merges, err = learner.Learn()
	return v, err
}

// spelling gives a learner the words as symbols.
type spelling func(*learn.Pairs) func(word []byte, count int64) error

// byteSymbols makes symbols of bytes. All are in the alphabet.
func byteSymbols(*wordcount.Sorted) ([]string, spelling, error) {
	spell := func(l *learn.Pairs) func([]byte, int64) error {
		var ids [256]uint32
		for b, c := range byteChars {
			ids[b], _ = l.ID(string(c))
		}
		var symbols []uint32
		return func(word []byte, count int64) error {
			symbols = symbols[:0]
			for _, b := range word {
				symbols = append(symbols, ids[b])
			}
			return l.Add(symbols, count)
		}
	}
	return alphabet(), spell, nil
}

// The forms of a character.
const (
	followsChar = 1 << iota // not the first of a word: has the prefix
	endsWord                // the last of a word: has the suffix
	charForms   = iota * 2
)

// charSymbols makes symbols of the characters of the alphabet. Other characters are left out.
func (t *training) charSymbols(words *wordcount.Sorted) ([]string, spelling, error) {
	kept, err := t.keptAlphabet(words)
	if err != nil {
		return nil, nil, err
	}
	forms := map[rune]*[charForms]uint32{} // of kept characters: first whether the form occurs, later its id
	tokens := make([]string, len(kept))
	for i, c := range kept {
		forms[c] = &[charForms]uint32{}
		tokens[i] = string(c)
	}
	var affixed []string
	note := func(c rune, form int) {
		if f := forms[c]; f != nil && f[form] == 0 {
			f[form] = 1
			affixed = append(affixed, t.affixed(c, form))
		}
	}
	err = words.Each(func(word []byte, _ int64) error {
		eachForm(word, note)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	sort.Strings(affixed)
	spell := func(l *learn.Pairs) func([]byte, int64) error {
		for c, ids := range forms {
			for form := range ids {
				ids[form], _ = l.ID(t.affixed(c, form))
			}
		}
		var symbols []uint32
		return func(word []byte, count int64) error {
			symbols = symbols[:0]
			eachForm(word, func(c rune, form int) {
				if ids := forms[c]; ids != nil {
					symbols = append(symbols, ids[form])
				}
			})
			return l.Add(symbols, count)
		}
	}
	return append(tokens, affixed...), spell, nil
}

// eachForm calls do with the characters of a word.
func eachForm(word []byte, do func(c rune, form int)) {
	last := -1
	for i := range string(word) {
		last = i
	}
	for i, c := range string(word) {
		form := 0
		if i > 0 {
			form |= followsChar
		}
		if i == last {
			form |= endsWord
		}
		do(c, form)
	}
}

func (t *training) affixed(c rune, form int) string {
	s := string(c)
	if form&followsChar != 0 {
		s = t.prefix + s
	}
	if form&endsWord != 0 {
		s += t.suffix
	}
	return s
}

// keptAlphabet returns the LimitAlphabet most frequent characters of words in order; of equally frequent ones the lowest. Those of the initial alphabet come first.
func (t *training) keptAlphabet(words *wordcount.Sorted) ([]rune, error) {
	counts := map[rune]int64{}
	err := words.Each(func(word []byte, n int64) error {
		for _, c := range string(word) {
			counts[c] += n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range t.initialAlphabet() {
		counts[[]rune(c)[0]] = 1<<63 - 1
	}
	chars := make([]rune, 0, len(counts))
	for c := range counts {
		chars = append(chars, c)
	}
	slices.SortFunc(chars, func(a, b rune) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	if t.o.LimitAlphabet > 0 {
		chars = chars[:min(t.o.LimitAlphabet, len(chars))]
	}
	slices.Sort(chars)
	return chars, nil
}

func (t *training) unigramOptions() learn.UnigramOptions {
	return learn.UnigramOptions{
		VocabSize: t.o.VocabSize, Reserved: t.reserved, Alphabet: []rune(t.o.InitialAlphabet), MaxPieceLength: t.o.MaxPieceLength,
		SeedSize: t.o.SeedSize, ShrinkingFactor: t.o.ShrinkingFactor, SubIterations: t.o.SubIterations, Workers: t.o.Workers,
		Progress: func(pieces int) error { return t.made(pieces + len(t.reserved)) },
	}
}

func (t *training) learnPieces(words *wordcount.Sorted) (learned, error) {
	learner := learn.NewUnigram(t.unigramOptions())
	if err := words.Each(learner.Add); err != nil {
		return learned{}, err
	}
	pieces, err := learner.Learn()
	if err != nil {
		return learned{}, err
	}
	v := learned{tokens: slices.Clone(t.reserved), scores: make([]float64, len(t.reserved))}
	for _, p := range pieces {
		v.tokens, v.scores = append(v.tokens, p.Text), append(v.scores, p.Score)
	}
	return v, nil
}

// learnWords takes the most frequent words, of equally frequent ones the first in the order of their bytes.
func (t *training) learnWords(words *wordcount.Sorted) (learned, error) {
	type counted struct {
		word  string
		count int64
	}
	room := t.o.VocabSize - len(t.reserved)
	if room < 0 {
		return learned{}, t.tooSmall(len(t.reserved))
	}
	reserved := map[string]bool{}
	for _, s := range t.reserved {
		reserved[s] = true
	}
	var best []counted
	cut := func() {
		slices.SortFunc(best, func(a, b counted) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.word, b.word)) })
		best = best[:min(room, len(best))]
	}
	err := words.Each(func(word []byte, count int64) error {
		if count >= t.o.MinFrequency && len(word) <= maxTokenBytes && !reserved[string(word)] {
			if best = append(best, counted{string(word), count}); len(best) >= 2*room+1 {
				cut()
			}
		}
		return nil
	})
	if err != nil {
		return learned{}, err
	}
	cut()
	v := learned{tokens: slices.Clone(t.reserved)}
	for _, c := range best {
		v.tokens = append(v.tokens, c.word)
	}
	return v, t.made(len(v.tokens))
}
