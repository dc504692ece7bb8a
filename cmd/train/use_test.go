package main

import (
	"strings"
	"testing"
)

func TestLineWriter(t *testing.T) {
	var out strings.Builder
	l := lineWriter{w: &out}
	for _, piece := range []string{"\na", "\n", "", "\n b\n", "\n"} {
		l.write(piece)
	}
	l.end()
	if want := "\na\n\n b\n"; out.String() != want || l.err != nil {
		t.Errorf("%q, %v, want %q", out.String(), l.err, want)
	}
}
