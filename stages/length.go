package stages

import (
	"context"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/shardmill/shardmill/schemas"
)

// Length drops documents that are too short or too long. Characters are Unicode code points; words are runs of characters that are
// not white space. A bound of 0 does not bound.
type Length struct {
	MinCharacters int64 `json:"min_chars"` // default 0
	MaxCharacters int64 `json:"max_chars"` // default 0
	MinWords      int64 `json:"min_words"` // default 0
	MaxWords      int64 `json:"max_words"` // default 0
}

// Name is the name of the stage in recipes and ledgers.
func (Length) Name() string { return "length" }

// Version is raised when the output changes.
func (Length) Version() int { return 1 }

const (
	lengthFewCharacters = iota
	lengthManyCharacters
	lengthFewWords
	lengthManyWords
)

// Reasons for a drop.
func (Length) Reasons() []string {
	return []string{"too-few-characters", "too-many-characters", "too-few-words", "too-many-words"}
}

// NewWorker makes a worker for one goroutine; index is the stage's number in the plan. It needs no cache.
func (l Length) NewWorker(index uint16, _ int64) (*LengthWorker, error) {
	for _, bound := range []struct {
		unit     string
		min, max int64
	}{{"chars", l.MinCharacters, l.MaxCharacters}, {"words", l.MinWords, l.MaxWords}} {
		if bound.min < 0 || bound.max < 0 {
			return nil, fmt.Errorf("length: a bound on %s is negative: use 0 for no bound", bound.unit)
		}
		if bound.max > 0 && bound.min > bound.max {
			return nil, fmt.Errorf("length: min_%s is %d and max_%s is %d: no document passes",
				bound.unit, bound.min, bound.unit, bound.max)
		}
	}
	return &LengthWorker{options: l, index: index}, nil
}

// LengthWorker is Length for one goroutine.
type LengthWorker struct {
	options Length
	index   uint16
}

// Process marks the rows of b.
func (w *LengthWorker) Process(ctx context.Context, b *schemas.Batch) error {
	return each(ctx, b, func(r *schemas.Row) {
		if reason, bad := w.options.judge(r.Text); bad {
			r.Verdict = schemas.Verdict{Kind: schemas.Drop, Stage: w.index, Reason: reason}
		}
	})
}

func (l *Length) judge(text []byte) (reason uint16, bad bool) {
	if l.MinCharacters > 0 || l.MaxCharacters > 0 {
		n := int64(utf8.RuneCount(text))
		if n < l.MinCharacters {
			return lengthFewCharacters, true
		}
		if l.MaxCharacters > 0 && n > l.MaxCharacters {
			return lengthManyCharacters, true
		}
	}
	if l.MinWords > 0 || l.MaxWords > 0 {
		n := words(text)
		if n < l.MinWords {
			return lengthFewWords, true
		}
		if l.MaxWords > 0 && n > l.MaxWords {
			return lengthManyWords, true
		}
	}
	return 0, false
}

// words counts the runs of characters that are not white space.
func words(text []byte) int64 {
	var n int64
	inside := false
	for len(text) > 0 {
		r, size := rune(text[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text)
		}
		space := unicode.IsSpace(r)
		if inside && space {
			n++
		}
		inside = !space
		text = text[size:]
	}
	if inside {
		n++
	}
	return n
}
