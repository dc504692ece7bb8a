package tasks

import (
	"errors"
	"fmt"
	"math"

	"github.com/shardmill/shardmill/schemas"
)

// Words makes a sequence of the words of a sentence, each in pieces: the first piece of a word has its tag as label, other pieces and special tokens have
// schemas.IgnoreLabel, as BERT was trained to tag (Devlin et al., 2018, §5.3). tags is nil for a sentence to predict. first has the index of the
// first piece of each word, or -1 for a word that has no piece. Words that are over the limit are left for another sequence: first has only those before.
// Only a word that has no room in an empty sequence is cut itself.
func (t *Template) Words(pieces [][]uint32, tags []int32) (s Sequence, first []int) {
	room := max(0, t.MaxTokens-t.special(false))
	s.IDs = append(s.IDs, t.CLS)
	s.Labels = append(s.Labels, schemas.IgnoreLabel)
	for w, word := range pieces {
		if len(word) == 0 {
			first = append(first, -1)
			continue
		}
		if len(s.IDs) > 1 && len(s.IDs)-1+len(word) > room {
			break
		}
		first = append(first, len(s.IDs))
		for i, id := range word[:min(len(word), room+1-len(s.IDs))] {
			label := int32(schemas.IgnoreLabel)
			if i == 0 && tags != nil {
				label = tags[w]
			}
			s.IDs, s.Labels = append(s.IDs, id), append(s.Labels, label)
		}
	}
	s.IDs, s.Labels = append(s.IDs, t.SEP), append(s.Labels, schemas.IgnoreLabel)
	s.First, s.Target = len(s.IDs), schemas.IgnoreLabel
	return s, first
}

// Window is a question with a part of its context.
type Window struct {
	Sequence
	Question int      // index of the question
	Context  int      // index of the first token of the context
	Offsets  [][2]int // of each token of the context from there, in bytes of the whole context
}

// WindowOptions says how contexts are cut.
type WindowOptions struct {
	OverlapTokens     int // of a context that two windows in a row share
	MaxQuestionTokens int // what a question has more is cut off
}

// Windows makes sequences of a question and its context: as many windows of the context as it takes, each beginning OverlapTokens before the end of the
// one before. offsets are those of the tokens of the context. answer is where the answer stands in bytes of the context, or nil: it is the span to
// learn in windows that hold all of it, and [CLS] is in others, which stands for no answer (Devlin et al., 2018, §4.2 and §4.3).
func (t *Template) Windows(question, context []uint32, offsets [][2]int, answer *[2]int, o WindowOptions) ([]Window, error) {
	if len(context) != len(offsets) {
		return nil, fmt.Errorf("cut a context: %d tokens with %d offsets", len(context), len(offsets))
	}
	if len(question) == 0 || len(context) == 0 {
		return nil, errors.New("cut a context: the question or its context has no token")
	}
	question = question[:min(len(question), max(1, o.MaxQuestionTokens))]
	room := t.MaxTokens - t.special(true) - len(question)
	step := room - o.OverlapTokens
	if o.OverlapTokens < 0 || step < 1 {
		return nil, fmt.Errorf("cut a context: %d tokens of it are in a sequence of %d, and %d would be shared with the next: allow longer sequences, or share less",
			max(0, room), t.MaxTokens, o.OverlapTokens)
	}
	var all []Window
	for from := 0; ; from += step {
		end := min(from+room, len(context))
		s := t.join(question, context[from:end], schemas.IgnoreLabel)
		w := Window{Sequence: s, Context: len(s.IDs) - 1 - (end - from), Offsets: offsets[from:end]}
		if w.Span = [2]int32{}; answer != nil {
			w.Span = w.span(*answer)
		}
		all = append(all, w)
		if end == len(context) {
			return all, nil
		}
	}
}

// span is the tokens of an answer, or [CLS] for both ends if a part of it is outside.
func (w *Window) span(answer [2]int) [2]int32 {
	last := len(w.Offsets) - 1
	if w.Offsets[0][0] > answer[0] || w.Offsets[last][1] < answer[1] {
		return [2]int32{}
	}
	start, end := 0, last
	for start < last && w.Offsets[start+1][0] <= answer[0] {
		start++
	}
	for end > start && w.Offsets[end-1][1] >= answer[1] {
		end--
	}
	return [2]int32{int32(w.Context + start), int32(w.Context + end)}
}

// Found is an answer that was predicted: bytes of a context.
type Found struct {
	Start, End int
	Score      float64 // sum of the logits of both ends
	None       float64 // the score of no answer: the lowest of all windows
}

// BestAnswer finds the span of the highest score over all windows of a question, of at most maxTokens tokens. starts and ends have the logits of each
// token of each window. The first of equals is chosen.
func BestAnswer(windows []Window, starts, ends [][]float32, maxTokens int) (Found, error) {
	if len(starts) != len(windows) || len(ends) != len(windows) || maxTokens < 1 {
		return Found{}, fmt.Errorf("find an answer of up to %d tokens: %d windows with logits for %d starts and %d ends", maxTokens, len(windows), len(starts), len(ends))
	}
	best := Found{Score: math.Inf(-1), None: math.Inf(1)}
	for i := range windows {
		w := &windows[i]
		if n := len(w.IDs); len(starts[i]) != n || len(ends[i]) != n {
			return Found{}, fmt.Errorf("find an answer: a window of %d tokens with logits for %d starts and %d ends", n, len(starts[i]), len(ends[i]))
		}
		best.None = min(best.None, float64(starts[i][0])+float64(ends[i][0]))
		for from := range w.Offsets {
			for to := from; to < min(from+maxTokens, len(w.Offsets)); to++ {
				score := float64(starts[i][w.Context+from]) + float64(ends[i][w.Context+to])
				if score > best.Score {
					best.Start, best.End, best.Score = w.Offsets[from][0], w.Offsets[to][1], score
				}
			}
		}
	}
	if math.IsInf(best.Score, -1) {
		return Found{}, errors.New("find an answer: no span has a score")
	}
	return best, nil
}
