package wordcount

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// words returns n words, many of them alike, some long, some that share their first bytes.
func words(seed uint64, n int) [][]byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([][]byte, n)
	for i := range out {
		word := make([]byte, 1+rng.IntN(1+rng.IntN(40)))
		for k := range word {
			word[k] = "\x00a\xffbcd"[rng.IntN(1+rng.IntN(6))]
		}
		out[i] = word
	}
	return out
}

// counted counts words with some counters that share the work.
func counted(t testing.TB, all [][]byte, counters int, maxBytes int64) (map[string]int64, []string) {
	t.Helper()
	store := NewStore(t.TempDir())
	cs := make([]*Counter, counters)
	for i := range cs {
		cs[i] = NewCounter(maxBytes, store)
	}
	text := bytes.Join(all, nil)
	for i, word := range all {
		if err := cs[i%counters].Add(text, len(word), int64(1+i%3)); err != nil {
			t.Fatal(err)
		}
		text = text[len(word):]
	}
	s, err := Merge(cs...)
	if err != nil {
		t.Fatal(err)
	}
	var first map[string]int64
	var order []string
	for range 2 {
		got := map[string]int64{}
		order = order[:0]
		if err := s.Each(func(word []byte, count int64) error {
			got[string(word)] += count
			order = append(order, string(word))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if first != nil && !maps.Equal(first, got) {
			t.Error("a second reading gives other counts")
		}
		first = got
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(store.parent); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
	return first, order
}

func check(t testing.TB, all [][]byte) {
	t.Helper()
	checkTogether(t, all)
	want := map[string]int64{}
	for i, word := range all {
		want[string(word)] += int64(1 + i%3)
	}
	for _, counters := range []int{1, 3} {
		for _, maxBytes := range []int64{0, 1} {
			got, order := counted(t, all, counters, maxBytes)
			if !maps.Equal(got, want) {
				t.Errorf("%d counters, %d bytes: counts differ", counters, maxBytes)
			}
			if len(order) != len(want) || !slices.IsSorted(order) {
				t.Errorf("%d counters, %d bytes: %d words, want %d in order", counters, maxBytes, len(order), len(want))
			}
		}
	}
}

// checkTogether holds AddWords equal to Add.
func checkTogether(t testing.TB, all [][]byte) {
	t.Helper()
	text := bytes.Join(all, nil)
	var ends []uint32
	end := uint32(0)
	want := map[string]int64{}
	for _, word := range all {
		end += uint32(len(word))
		ends = append(ends, end)
		want[string(word)]++
	}
	for _, maxBytes := range []int64{0, 1} {
		store := NewStore(t.TempDir())
		c := NewCounter(maxBytes, store)
		half := len(ends) / 2
		if err := c.AddWords(text, 0, ends[:half]); err != nil {
			t.Fatal(err)
		}
		start := uint32(0)
		if half > 0 {
			start = ends[half-1]
		}
		if err := c.AddWords(text, start, ends[half:]); err != nil {
			t.Fatal(err)
		}
		s, err := Merge(c)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		if err := s.Each(func(word []byte, count int64) error { got[string(word)] = count; return nil }); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d bytes: words counted together differ", maxBytes)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLongWordsArePartedBetweenCharacters(t *testing.T) {
	word := []byte("a" + strings.Repeat("中", MaxWordBytes))
	c := NewCounter(0, nil)
	if err := c.AddWords(word, 0, []uint32{uint32(len(word))}); err != nil {
		t.Fatal(err)
	}
	s, err := Merge(c)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	if err := s.Each(func(part []byte, count int64) error {
		if total += int(count) * len(part); len(part) > MaxWordBytes || !utf8.Valid(part) {
			t.Errorf("a part of %d bytes, or one that is cut in a character", len(part))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if total != len(word) {
		t.Errorf("parts have %d bytes, want %d", total, len(word))
	}
}

func TestCount(t *testing.T) {
	check(t, nil)
	check(t, [][]byte{[]byte("a")})
	check(t, words(1, 25000))
}

// More runs than are merged at once are merged in several steps.
func TestManyRuns(t *testing.T) {
	var all [][]byte
	for i := range (maxRuns + 3) * firstSlots / 2 {
		all = append(all, fmt.Appendf(nil, "%07x", i*7919%200001))
	}
	store := NewStore(t.TempDir())
	defer store.Close()
	c := NewCounter(1, store)
	want := map[string]int64{}
	for _, word := range all {
		want[string(word)]++
		if err := c.Add(word, len(word), 1); err != nil {
			t.Fatal(err)
		}
	}
	if store.files <= maxRuns {
		t.Fatalf("%d runs: too few to be merged in steps", store.files)
	}
	s, err := Merge(c)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	if err := s.Each(func(word []byte, count int64) error { got[string(word)] += count; return nil }); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Error("counts differ")
	}
}

func TestErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	c := NewCounter(1, NewStore(missing))
	var err error
	for i := 0; err == nil && i < 100000; i++ {
		word := fmt.Append(nil, i)
		err = c.Add(word, len(word), 1)
	}
	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error is %v, want one that names %s", err, missing)
	}

	store := NewStore(t.TempDir())
	c = NewCounter(1, store)
	for i := range firstSlots * 3 {
		word := fmt.Append(nil, i)
		if err := c.Add(word, len(word), 1); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Merge(c)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := s.Each(func([]byte, int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error is %v, want that of the caller", err)
	}
	if err := os.Truncate(c.runs[0], 10); err != nil {
		t.Fatal(err)
	}
	if err := s.Each(func([]byte, int64) error { return nil }); err == nil || !strings.Contains(err.Error(), "read counted words") {
		t.Errorf("error of a run that was cut short is %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Each(func([]byte, int64) error { return nil }); err == nil {
		t.Error("reading after the store was closed is no error")
	}
}

func FuzzCount(f *testing.F) {
	f.Add([]byte("a b a \x00 averyveryverylongword averyveryverylongwore"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var all [][]byte
		for word := range bytes.SplitSeq(text, []byte(" ")) {
			if len(word) > 0 {
				all = append(all, word)
			}
		}
		check(t, all)
	})
}
