package stages

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/shardmill/shardmill/schemas"
)

func TestClean(t *testing.T) {
	nfc := Clean{Normalize: "nfc", BlankLines: 1}
	tests := []struct {
		name       string
		options    Clean
		text, want string // an empty want means dropped
	}{
		{"clean text stays", DefaultClean(), "a b\n\tc\n\nd", "a b\n\tc\n\nd"},
		{"line ends", DefaultClean(), "a\r\nb\rc\u0085d\n\re", "a\nb\nc\nd\n\ne"},
		{"controls", DefaultClean(), "a\x00b\x07c\x7fd\u0080e\u009ff\ufeffg", "abcdefg"},
		{"neighbours of controls stay", DefaultClean(), "a\u00a0b\u00bfc\ufefed\uffee", "a\u00a0b\u00bfc\ufefed\uffee"},
		{"blanks at line ends", DefaultClean(), "a \t\nb\t \r\n c ", "a\nb\n c"},
		{"blanks before a control at a line end", DefaultClean(), "a \x00 \nb", "a\nb"},
		{"ends", DefaultClean(), " \t\n \n  a\n \n\t", "a"},
		{"control before leading space", DefaultClean(), "\x00 a", "a"},
		{"blank lines", DefaultClean(), "a\n\n\n \nb\n\nc", "a\n\nb\n\nc"},
		{"no blank lines", Clean{Normalize: "none"}, "a\n\n\nb\nc", "a\nb\nc"},
		{"all blank lines", Clean{Normalize: "none", BlankLines: -1}, "a\n\n\n\nb\n", "a\n\n\n\nb"},
		{"nothing left", DefaultClean(), " \r\n\x00\ufeff\t", ""},
		{"empty", DefaultClean(), "", ""},
		{"decomposed stays", DefaultClean(), "e\u0301", "e\u0301"},
		{"nfc", nfc, "e\u0301 \u212b", "\u00e9 \u00c5"},
		{"not UTF-8 stays", DefaultClean(), "a\xffb\xc2\xef", "a\xffb\xc2\xef"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, err := test.options.NewWorker(7, 0)
			if err != nil {
				t.Fatal(err)
			}
			row := process(t, w, test.text)
			if test.want == "" {
				if want := (schemas.Verdict{Kind: schemas.Drop, Stage: 7}); row.Verdict != want {
					t.Errorf("verdict %+v, want %+v", row.Verdict, want)
				}
			} else if string(row.Text) != test.want || row.Verdict.Kind != schemas.Keep {
				t.Errorf("got %q %+v, want %q", row.Text, row.Verdict, test.want)
			}
		})
	}
}

func TestCleanOptions(t *testing.T) {
	for _, c := range []Clean{{}, {Normalize: "NFC"}, {Normalize: "none", BlankLines: -2}} {
		if _, err := c.NewWorker(1, 0); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a \r\n\x00b\u0085 \n\n\n\tc\ufeff ", true)
	f.Add("\xc2\x00\xef\xbb", false)
	f.Fuzz(func(t *testing.T, text string, nfc bool) {
		options := DefaultClean()
		if nfc {
			options.Normalize = "nfc"
		}
		w, err := options.NewWorker(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		row := process(t, w, text)
		if row.Verdict.Kind == schemas.Drop {
			return
		}
		got := string(row.Text)
		if got == "" || strings.ContainsAny(got, "\r\x00\x1f\x7f") || strings.Contains(got, "\n\n\n") || strings.Contains(got, " \n") ||
			strings.TrimRight(got, " \t\n") != got {
			t.Errorf("%q became %q", text, got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q became invalid: %q", text, got)
		}
		if nfc && utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfeff }) < 0 && !norm.NFC.IsNormalString(got) {
			t.Errorf("%q is not NFC: %q", text, got)
		}
	})
}

func BenchmarkClean(b *testing.B) {
	text := []byte(strings.Repeat("The rays of light, in falling upon the bodies, are reflected, refracted, and inflected.\n", 12))
	w, err := DefaultClean().NewWorker(1, 0)
	if err != nil {
		b.Fatal(err)
	}
	batch := &schemas.Batch{Rows: []schemas.Row{{Text: text}}}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		batch.Rows[0].Text = text
		if err := w.Process(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		batch.Arena.Reset()
	}
}
