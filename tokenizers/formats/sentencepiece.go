package formats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// spModel is what a model file of SentencePiece holds, as far as encoding needs it (google/sentencepiece, sentencepiece_model.proto).
type spModel struct {
	pieces       []spPiece
	kind         uint64 // of model
	byteFallback bool
	suffixSpace  bool // spaces end words; they begin them otherwise

	charsmap    []byte
	dummyPrefix bool // a space is set before the text
	tidySpaces  bool // white space at the ends is dropped, and runs of it are one
	showSpaces  bool // spaces become ▁
}

// spPiece is an entry of the vocabulary; its place is its id.
type spPiece struct {
	text  string
	score float32
	kind  uint64
}

// Kinds of models and pieces.
const (
	spUnigram = 1
	spBPE     = 2

	spNormal      = 1
	spUnknown     = 2
	spControl     = 3
	spUserDefined = 4
	spUnused      = 5
	spByte        = 6
)

// Numbers of the fields that are read.
const (
	modelPieces     = 1
	modelTrainer    = 2
	modelNormalizer = 3

	pieceText  = 1
	pieceScore = 2
	pieceKind  = 3

	trainerKind         = 3
	trainerSuffixSpace  = 24
	trainerByteFallback = 35

	normalizerCharsmap    = 2
	normalizerDummyPrefix = 3
	normalizerTidySpaces  = 4
	normalizerShowSpaces  = 5
)

func readSentencePiece(data []byte) (*spModel, error) {
	m := &spModel{kind: spUnigram, dummyPrefix: true, tidySpaces: true, showSpaces: true} // the defaults of the format
	err := readMessage(data, func(number int, v field) (err error) {
		switch number {
		case modelPieces:
			if len(m.pieces) == maxIDs {
				return fmt.Errorf("more than %d pieces", maxIDs)
			}
			var p spPiece
			p, err = readPiece(v.bytes)
			if err != nil {
				err = fmt.Errorf("piece %d: %w", len(m.pieces), err)
			}
			m.pieces = append(m.pieces, p)
		case modelTrainer:
			err = readMessage(v.bytes, m.trainer)
		case modelNormalizer:
			err = readMessage(v.bytes, m.normalizer)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(m.pieces) == 0:
		return nil, errors.New("holds no pieces: is it a model of SentencePiece?")
	case m.kind != spUnigram && m.kind != spBPE:
		return nil, fmt.Errorf("trainer_spec.model_type: %d is not supported: %d, Unigram, and %d, BPE, are", m.kind, spUnigram, spBPE)
	case m.suffixSpace:
		return nil, errors.New("trainer_spec.treat_whitespace_as_suffix is not supported")
	case !m.showSpaces:
		return nil, errors.New("normalizer_spec.escape_whitespaces: false is not supported")
	}
	return m, nil
}

func (m *spModel) trainer(number int, v field) error {
	switch number {
	case trainerKind:
		m.kind = v.number
	case trainerSuffixSpace:
		m.suffixSpace = v.number != 0
	case trainerByteFallback:
		m.byteFallback = v.number != 0
	}
	return nil
}

func (m *spModel) normalizer(number int, v field) error {
	switch number {
	case normalizerCharsmap:
		m.charsmap = v.bytes
	case normalizerDummyPrefix:
		m.dummyPrefix = v.number != 0
	case normalizerTidySpaces:
		m.tidySpaces = v.number != 0
	case normalizerShowSpaces:
		m.showSpaces = v.number != 0
	}
	return nil
}

func readPiece(data []byte) (spPiece, error) {
	p := spPiece{kind: spNormal}
	err := readMessage(data, func(number int, v field) error {
		switch number {
		case pieceText:
			p.text = string(v.bytes)
		case pieceScore:
			p.score = math.Float32frombits(uint32(v.number))
		case pieceKind:
			p.kind = v.number
		}
		return nil
	})
	switch score := float64(p.score); {
	case err != nil:
		return p, err
	case len(p.text) > maxPieceBytes:
		return p, fmt.Errorf("has %d bytes: the longest allowed has %d", len(p.text), maxPieceBytes)
	case !utf8.ValidString(p.text):
		return p, fmt.Errorf("%q is not valid UTF-8", p.text)
	case math.IsNaN(score) || math.IsInf(score, 0):
		return p, fmt.Errorf("score %v is not a number", p.score)
	case p.kind < spNormal || p.kind > spByte:
		return p, fmt.Errorf("type %d is not known", p.kind)
	}
	return p, nil
}

// field is the value of a field of a protocol buffer: bytes where it has a length, or else a number, whose bits those of a float are.
type field struct {
	number uint64
	bytes  []byte
}

// readMessage reads the fields of a protocol buffer in their order (protobuf.dev, Encoding). Groups, which are no longer in use, are refused.
func readMessage(data []byte, read func(number int, v field) error) error {
	for at := 0; at < len(data); {
		key, size := binary.Uvarint(data[at:])
		if size <= 0 || key>>3 == 0 || key>>3 > math.MaxInt32 {
			return fmt.Errorf("byte %d: expected the number of a field", at)
		}
		at += size
		var v field
		switch key & 7 {
		case 0:
			v.number, size = binary.Uvarint(data[at:])
			if size <= 0 {
				return fmt.Errorf("byte %d: expected a number", at)
			}
		case 1, 5:
			size = 8
			if key&7 == 5 {
				size = 4
			}
			if len(data)-at < size {
				return fmt.Errorf("byte %d: expected %d bytes", at, size)
			}
			if size == 8 {
				v.number = binary.LittleEndian.Uint64(data[at:])
			} else {
				v.number = uint64(binary.LittleEndian.Uint32(data[at:]))
			}
		case 2:
			length, n := binary.Uvarint(data[at:])
			if n <= 0 || length > uint64(len(data)-at-n) {
				return fmt.Errorf("byte %d: expected a length that the file holds", at)
			}
			size = n + int(length)
			v.bytes = data[at+n : at+size]
		default:
			return fmt.Errorf("byte %d: wire type %d is not supported", at, key&7)
		}
		if err := read(int(key>>3), v); err != nil {
			return err
		}
		at += size
	}
	return nil
}
