package corpus

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"github.com/shardmill/shardmill/schemas"
)

// readPage returns the text of a page, or why it has none.
func readPage(page []byte, marked bool) (text, why, detail string) {
	var doc document
	doc.decode(HTML, &Source{}, nil, page, marked)
	if doc.bad {
		return "", Reasons[doc.reason], doc.detail
	}
	var arena schemas.Arena
	var row schemas.Row
	if why, detail := doc.fill(&row, &arena); detail != "" {
		return "", Reasons[why], detail
	}
	return string(row.Text), "", ""
}

func TestPageEncodings(t *testing.T) {
	const utf16le = "\xff\xfe<\x00p\x00>\x00\xac\x20"
	tests := []struct {
		name, page string
		marked     bool
		text, why  string
	}{
		{name: "UTF-8", page: "<p>é", text: "<p>é"},
		{name: "UTF-8, declared otherwise", page: "<meta charset=latin1>é", text: "<meta charset=latin1>é"},
		{name: "nothing declared", page: "<p>caf\xe9 \x80 \x93quoted\x94", text: "<p>café € “quoted”"},
		{name: "charset", page: "<META CharSet='KOI8-R'>\xd1\xd4", text: "<META CharSet='KOI8-R'>ят"},
		{name: "http-equiv", page: `<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">` + "\xb1",
			text: `<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">ą`},
		{name: "content without http-equiv", page: `<meta content="text/html; charset=iso-8859-2">` + "\xb1",
			text: `<meta content="text/html; charset=iso-8859-2">±`},
		{name: "an unknown name", page: "<meta charset=klingon>\xe9", text: "<meta charset=klingon>é"},
		{name: "declared too late", page: strings.Repeat(" ", 1024) + "<meta charset=koi8-r>\xd1", text: strings.Repeat(" ", 1024) + "<meta charset=koi8-r>Ñ"},
		{name: "Shift_JIS", page: "<meta charset=shift_jis>\x93\xfa\x96{", text: "<meta charset=shift_jis>日本"},
		{name: "EUC-KR", page: "<meta charset=euc-kr>\xc7\xd1", text: "<meta charset=euc-kr>한"},
		{name: "GBK", page: "<meta charset=gb2312>\xd6\xd0\x80", text: "<meta charset=gb2312>中€"},
		{name: "Big5, two characters of one", page: "<meta charset=big5>\x88\x62", text: "<meta charset=big5>\u00ca\u0304"},
		{name: "ISO-2022-JP", page: "<meta charset=iso-2022-jp>\x1b$BF|K\\\x1b(B.", text: "<meta charset=iso-2022-jp>日本."},
		{name: "escapes, no ISO-2022-JP", page: "\x1b$BF|K\\\x1b(B.", text: "\x1b$BF|K\\\x1b(B."},
		{name: "escapes behind a mark", page: "<meta charset=iso-2022-jp>\x1b$B", marked: true, text: "<meta charset=iso-2022-jp>\x1b$B"},
		{name: "UTF-16LE", page: utf16le, text: "<p>€"},
		{name: "UTF-16BE", page: "\xfe\xff\x20\xac\xd8\x3d\xde\x00", text: "€😀"},
		{name: "UTF-16 over pieces", page: "\xfe\xff" + strings.Repeat("\x20\xac", 5000), text: strings.Repeat("€", 5000)},
		{name: "UTF-16 declared", page: "<meta charset=utf-16>\xe9", why: "invalid-utf8"},
		{name: "UTF-8 declared", page: "<meta charset=utf-8>caf\xe9", why: "invalid-utf8"},
		{name: "UTF-8 by its mark", page: "<meta charset=latin1>caf\xe9", marked: true, why: "invalid-utf8"},
		{name: "UTF-8 by its look", page: "<p>“café”</p>" + strings.Repeat(" ", 2000) + "caf\xe9", why: "invalid-utf8"},
		{name: "half a UTF-16 unit", page: utf16le + "\x20", why: "invalid-encoding"},
		{name: "half a surrogate pair", page: "\xfe\xff\xd8\x3d\x00a", why: "invalid-encoding"},
		{name: "half a character", page: "<meta charset=shift_jis>\x93", why: "invalid-encoding"},
		{name: "an encoding that is not to be read", page: "<meta charset=iso-2022-kr>\xff", why: "invalid-encoding"},
		{name: "NUL in UTF-16", page: utf16le + "\x00\x00", why: "nul-character"},
		{name: "NUL in windows-1252", page: "\xe9\x00", why: "nul-character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, why, detail := readPage([]byte(test.page), test.marked)
			if text != test.text || why != test.why || (why == "") != (detail == "") {
				t.Errorf("%.100q, %q: %q, want %.100q, %q", text, why, detail, test.text, test.why)
			}
		})
	}
	_, _, detail := readPage([]byte("<meta charset=shift_jis>\x93\xfa\x93"), false)
	if want := "the page is in shift_jis, but has bytes that mean nothing there behind 27 bytes of text"; detail != want {
		t.Errorf("detail %q, want %q", detail, want)
	}
}

// encodings are all that https://encoding.spec.whatwg.org has.
var encodings = strings.Fields(`utf-8 ibm866 iso-8859-2 iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6 iso-8859-7 iso-8859-8 iso-8859-8-i
	iso-8859-10 iso-8859-13 iso-8859-14 iso-8859-15 iso-8859-16 koi8-r koi8-u macintosh windows-874 windows-1250 windows-1251 windows-1252
	windows-1253 windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 x-mac-cyrillic gbk gb18030 big5 euc-jp iso-2022-jp
	shift_jis euc-kr replacement utf-16be utf-16le x-user-defined`)

// In every encoding, text is valid UTF-8 of the size that was told, at most three times that of the page, and all of the page.
func FuzzPage(f *testing.F) {
	high := make([]byte, 128)
	for i := range high {
		high[i] = byte(128 + i)
	}
	for i := range encodings {
		f.Add(uint8(i), high)
		f.Add(uint8(i), []byte("caf\xe9 \x1b$BF|K\\\x1b(B \x93\xfa\x96{ \x88\x62 ~{<:Ky~}"))
		f.Add(uint8(i), bytes.Repeat([]byte("\x81\x30\x84\x36\xd6\xd0\x80"), 2000))
	}
	f.Fuzz(func(t *testing.T, number uint8, content []byte) {
		name := encodings[int(number)%len(encodings)]
		page := []byte("<meta charset=" + name + ">")
		switch name {
		case "utf-16be":
			page = []byte("\xfe\xff")
		case "utf-16le":
			page = []byte("\xff\xfe")
		}
		page = append(page, content...)
		var doc document
		doc.decode(HTML, &Source{}, nil, page, false)
		if doc.bad {
			return
		}
		var arena schemas.Arena
		var row schemas.Row
		if why, _ := doc.fill(&row, &arena); why != 0 {
			return
		}
		if !utf8.Valid(row.Text) || int64(len(row.Text)) != doc.size() || len(row.Text) > 3*len(page) {
			t.Errorf("%s: %d bytes of text, %d told, of %d bytes, valid: %v", name, len(row.Text), doc.size(), len(page), utf8.Valid(row.Text))
		}
		want := page
		if doc.encoding != nil {
			e, _ := charset.Lookup(name)
			want, _ = e.NewDecoder().Bytes(page)
			want = bytes.TrimPrefix(want, []byte(byteOrderMark))
		}
		if !bytes.Equal(row.Text, want) {
			t.Errorf("%s: text %.100q, want %.100q", name, row.Text, want)
		}
	})
}
