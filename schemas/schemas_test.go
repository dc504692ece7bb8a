package schemas

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestLabelCount(t *testing.T) {
	for want, b := range []Minibatch{
		{},
		{Targets: []int32{3, IgnoreLabel}},
		{Labels: []int32{IgnoreLabel, 0, 7}},
		{Labels: []int32{0, 1}, Targets: []int32{IgnoreLabel, 2}},
		{Spans: [][2]int32{{0, 0}, NoSpan, {1, 4}}, Values: []float32{0, float32(math.NaN()), -1}},
	} {
		if got := b.LabelCount(); got != int64(want) {
			t.Errorf("%+v has %d labels, want %d", b, got, want)
		}
	}
}

func TestLedgerBalance(t *testing.T) {
	full := FileLedger{Read: 6, Kept: 2, Quarantined: 1, LengthBytes: 100, RecordBytes: 80, SeparatorBytes: 15, UnreadableBytes: 5}
	full.Drop(2, 1, 1)
	full.Drop(1, 0, 2)
	if err := full.Balance(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name   string
		change func(*FileLedger)
		says   string
	}{
		{"a record lost", func(l *FileLedger) { l.Read++ }, "7 records read"},
		{"a record twice", func(l *FileLedger) { l.Kept++ }, "3 kept"},
		{"a byte lost", func(l *FileLedger) { l.LengthBytes++ }, "101 bytes read"},
		{"a byte twice", func(l *FileLedger) { l.SeparatorBytes++ }, "separators 16"},
	} {
		l := full
		c.change(&l)
		if err := l.Balance(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want one that says %q", c.name, err, c.says)
		}
	}
}

func TestLedgerAddSortsDrops(t *testing.T) {
	var a, b FileLedger
	a.Drop(3, 0, 1)
	a.Drop(1, 2, 1)
	b.Drop(1, 1, 4)
	b.Drop(3, 0, 2)
	a.Add(&b)
	want := []DropCount{{1, 1, 4}, {1, 2, 1}, {3, 0, 3}}
	if !slices.Equal(a.Dropped, want) {
		t.Errorf("got %v, want %v", a.Dropped, want)
	}
	if got := a.DroppedTotal(); got != 8 {
		t.Errorf("%d dropped, want 8", got)
	}
}

// Slices handed out stay whole while the arena grows, and never share memory.
func TestArena(t *testing.T) {
	var a Arena
	for round := range 3 {
		var all [][]byte
		for i := range 2000 {
			n := (i * 37) % 1000
			if i == 777 {
				n = 9 << 20 // larger than what is kept
			}
			p := a.Bytes(n)
			if len(p) != n || cap(p) != n {
				t.Fatalf("%d bytes with room for %d, want %d", len(p), cap(p), n)
			}
			for k := range p {
				p[k] = byte(i)
			}
			all = append(all, p)
		}
		for i, p := range all {
			if len(p) > 0 && (p[0] != byte(i) || p[len(p)-1] != byte(i)) {
				t.Fatalf("round %d: slice %d was written over", round, i)
			}
		}
		if ids := a.CopyIDs([]uint32{1, 2, 3}); !slices.Equal(ids, []uint32{1, 2, 3}) {
			t.Errorf("got %v", ids)
		}
		a.Reset()
		if a.Size() > keepBlock+4*keepBlock {
			t.Errorf("%d bytes are held after a reset", a.Size())
		}
	}
}
