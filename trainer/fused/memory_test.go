package fused

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReserve(t *testing.T) {
	g := NewGraph(newTestPool(t, 1), false)
	g.newBuffer(Tokens, 1000)
	g.newBuffer(Rows, 10)
	g.length[Tokens], g.capacity = 1<<20, [axes]int{Tokens: 1 << 20, Rows: 64}
	err := g.reserve(1 << 30)
	if err == nil || !strings.Contains(err.Error(), "1048576 tokens at once take 4.2 GB") || !strings.Contains(err.Error(), "1.1 GB are left") {
		t.Errorf("error %v", err)
	}
	if err := g.reserve(5 << 30); err != nil {
		t.Errorf("5 GiB are not enough: %v", err)
	}
	g.capacity[Tokens] = 1 << 10
	if err := g.reserve(0); err != nil {
		t.Errorf("little is refused: %v", err) // the garbage collector may have it
	}
	if got := availableBytes(); got <= 0 {
		t.Errorf("%d bytes are available", got)
	}
}

func TestField(t *testing.T) {
	file := filepath.Join(t.TempDir(), "info")
	if err := os.WriteFile(file, []byte("MemTotal:  12 kB\nMemAvailable:   34 kB\nodd:\nmax\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if v, ok := field(file, "MemAvailable:"); v != 34 || !ok {
		t.Errorf("%d, %v", v, ok)
	}
	for _, name := range []string{"odd:", "none:", "max", ""} {
		if v, ok := field(file, name); ok {
			t.Errorf("%q is %d", name, v)
		}
	}
}
