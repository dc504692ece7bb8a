package corpus

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// Names of encodings as in https://encoding.spec.whatwg.org.
const (
	nameUTF8      = "utf-8"
	nameUTF16     = "utf-16" // with le or be behind it
	nameISO2022JP = "iso-2022-jp"
)

const (
	escape       = 0x1b // begins the sequences of ISO-2022-JP, which is valid as UTF-8 but means something else
	utf16BOMSize = 2
	pieceBytes   = 4 << 10 // of a page decoded at once
)

// decodePage finds the text of a page, of which the first valid bytes are UTF-8; marked says that a byte order mark of UTF-8 stands before it.
//
// Its encoding is found as browsers do it (https://html.spec.whatwg.org/#determining-the-character-encoding). They show U+FFFD for
// bytes that it does not have; here the page can't be used, so that no text is lost in silence.
func (d *document) decodePage(page []byte, valid int, marked bool) {
	e, name, _ := charset.DetermineEncoding(page, "")
	switch {
	case valid == len(page) && (marked || name != nameISO2022JP):
		d.text = page
		return
	case marked || name == nameUTF8:
		d.reject(invalidUTF8, notUTF8(page, valid))
		return
	case strings.HasPrefix(name, nameUTF16): // a declared one counts as UTF-8: this one has a byte order mark
		page = page[utf16BOMSize:]
	}
	d.text, d.encoding = page, e
	n := 0
	good := eachPiece(e, page, func(piece []byte) bool {
		if i := bytes.IndexRune(piece, utf8.RuneError); i >= 0 {
			n += i
			return false
		}
		n += len(piece)
		return true
	})
	if !good {
		d.reject(invalidEncoding, fmt.Sprintf("the page is in %s, but has bytes that mean nothing there behind %d bytes of text", name, n))
		return
	}
	d.decodedBytes = n
}

func notUTF8(record []byte, valid int) string {
	return fmt.Sprintf("byte %d of the record is 0x%02x", valid, record[valid])
}

// eachPiece calls use with the text of a page in UTF-8, piece by piece, until it returns false. It returns what use did, or false if the
// decoder gave up.
func eachPiece(e encoding.Encoding, page []byte, use func(piece []byte) bool) bool {
	decoder := e.NewDecoder()
	piece := make([]byte, pieceBytes)
	for {
		n, read, err := decoder.Transform(piece, page, true)
		if !use(piece[:n]) {
			return false
		}
		if err != transform.ErrShortDst {
			return err == nil
		}
		page = page[read:]
	}
}

// appendPage appends the text of a page in UTF-8.
func appendPage(dst []byte, e encoding.Encoding, page []byte) []byte {
	eachPiece(e, page, func(piece []byte) bool {
		dst = append(dst, piece...)
		return true
	})
	return dst
}
