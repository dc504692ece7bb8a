package metrics

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Answer compares a predicted answer to a question with those that count as right, as the official script of SQuAD 2.0 does (Rajpurkar et al., 2018), which on
// questions with answers is that of 1.1: exact is 1 if the prediction is one of them but for case, punctuation, articles and white space; f1 is that of
// the words they share with the prediction, for the best of them. A question without an answer has none, and "" is right.
func Answer(prediction string, answers []string) (exact, f1 float64) {
	normal := normalAnswer(prediction)
	right := false
	for _, answer := range answers {
		want := normalAnswer(answer)
		if len(want) == 0 { // as the script: an answer of nothing but articles and punctuation does not count
			continue
		}
		right = true
		if strings.Join(want, " ") == strings.Join(normal, " ") {
			exact = 1
		}
		f1 = max(f1, wordF1(normal, want))
	}
	if !right {
		if len(normal) == 0 {
			return 1, 1
		}
		return 0, 0
	}
	return exact, f1
}

// normalAnswer returns the words of an answer, in lower case, without ASCII punctuation and articles.
func normalAnswer(s string) []string {
	s = cases.Lower(language.Und).String(s)
	s = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
			return -1
		}
		return r
	}, s)
	var b strings.Builder
	for rest := s; rest != ""; {
		n := strings.IndexFunc(rest, isWordRune)
		if n < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:n])
		rest = rest[n:]
		end := strings.IndexFunc(rest, func(r rune) bool { return !isWordRune(r) })
		if end < 0 {
			end = len(rest)
		}
		switch word := rest[:end]; word {
		case "a", "an", "the":
			b.WriteByte(' ')
		default:
			b.WriteString(word)
		}
		rest = rest[end:]
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f })
}

// isWordRune tells what \w matches in Python.
func isWordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// wordF1 is 2·shared / (all words of both), each occurrence counting.
func wordF1(prediction, answer []string) float64 {
	if len(prediction) == 0 || len(answer) == 0 {
		if len(prediction) == len(answer) {
			return 1
		}
		return 0
	}
	counts := map[string]int{}
	for _, w := range answer {
		counts[w]++
	}
	shared := 0
	for _, w := range prediction {
		if counts[w] > 0 {
			counts[w]--
			shared++
		}
	}
	if shared == 0 {
		return 0
	}
	precision, recall := float64(shared)/float64(len(prediction)), float64(shared)/float64(len(answer))
	return 2 * precision * recall / (precision + recall)
}
