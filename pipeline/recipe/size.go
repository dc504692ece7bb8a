package recipe

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, tokens or records. In a recipe it is a whole number, with a suffix if one likes: k, M, G, T for powers of
// 1000; Ki, Mi, Gi, Ti for powers of 1024; each may be followed by B.
type Size int64

// ParseSize parses the notation of a Size.
func ParseSize(text string) (int64, error) {
	var s Size
	err := s.parse(text)
	return int64(s), err
}

var sizeUnits = []struct {
	suffix string
	size   int64
}{
	{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
	{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"K", 1e3},
}

func (s *Size) parse(text string) error {
	digits, factor := text, int64(1)
	if number, ok := strings.CutSuffix(digits, "B"); ok {
		digits = number
	}
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, factor = number, u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strings.HasPrefix(digits, "+") {
		if errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("%q is too large", text)
		}
		return fmt.Errorf("%q is no size: write a whole number, such as 1000, 100k or 64MiB", text)
	}
	if n > math.MaxInt64/factor || n < math.MinInt64/factor {
		return fmt.Errorf("%q is too large", text)
	}
	*s = Size(n * factor)
	return nil
}

// String gives the shortest exact notation.
func (s Size) String() string {
	best := strconv.FormatInt(int64(s), 10)
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.size == 0 {
			if short := strconv.FormatInt(int64(s)/u.size, 10) + u.suffix; len(short) < len(best) {
				best = short
			}
		}
	}
	return best
}

// MarshalJSON gives the shortest exact notation, without quotes if that is a number.
func (s Size) MarshalJSON() ([]byte, error) {
	text := s.String()
	if strings.Trim(text, "-0123456789") != "" {
		text = strconv.Quote(text)
	}
	return []byte(text), nil
}

// PPM is a share in parts per million. In a recipe it is a decimal fraction from 0 to 1, such as 0.01.
type PPM int64

const onePPM = 1_000_000

func (p *PPM) parse(text string) error {
	whole, fraction, _ := strings.Cut(text, ".")
	digits := whole + fraction + strings.Repeat("0", max(6-len(fraction), 0))
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || whole+fraction == "" || len(fraction) > 6 || n > onePPM {
		return fmt.Errorf("%q is no share: write a fraction from 0 to 1 with 6 decimals at most, such as 0.01", text)
	}
	*p = PPM(n)
	return nil
}

// MarshalJSON gives the fraction.
func (p PPM) MarshalJSON() ([]byte, error) {
	text := strings.TrimRight(fmt.Sprintf("%d.%06d", p/onePPM, p%onePPM), "0")
	return []byte(strings.TrimSuffix(text, ".")), nil
}
