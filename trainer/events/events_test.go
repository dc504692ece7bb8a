package events

import (
	"encoding/hex"
	"testing"
)

// TestKnownBytes compares with the files that the protocol buffers and record writer of tensorboard 2.21 make of the same events.
func TestKnownBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"version", AppendVersion(nil), "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc985129"},
		{"scalars", AppendScalars(nil, 1.5, 300, []Scalar{{"train/loss", 2.25}, {"lr", 1e-3}}),
			"2c00000000000000f4aecc4509000000000000f83f10ac022a1e0a110a0a747261696e2f6c6f737315000010400a090a026c72156f12833a2f071402"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}
