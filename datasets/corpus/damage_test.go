package corpus_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
)

// damageSource is a source of JSON lines in a few members, frames or streams, each of more than one block.
func damageSource(t testing.TB, compression string, parts, lines int) (data []byte, borders []int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for part := range parts {
		var text strings.Builder
		for line := range lines {
			fmt.Fprintf(&text, "{\"id\":%d,\"text\":\"%x\"}\n", part*lines+line, rng.Uint64())
		}
		data = append(data, compress(t, compression, text.String())...)
		borders = append(borders, len(data))
	}
	return data, borders
}

// isCorrupt says whether a row stands for damage of compressed data.
func isCorrupt(r schemas.Row) bool {
	return r.Verdict.Kind == schemas.Quarantine && corpus.Reasons[r.Verdict.Reason] == "corrupt-compression"
}

// checkDamaged checks rows of a damaged file: records of the good file, one row for the damage, the end.
func checkDamaged(t *testing.T, what string, rows, good []schemas.Row) {
	t.Helper()
	n := slices.IndexFunc(rows, isCorrupt)
	if n < 0 || n != len(rows)-2 || rows[n+1].Verdict.Kind != schemas.End {
		t.Errorf("%s: want one row for the damage before the end, got\n%s", what, show(rows[max(0, len(rows)-3):]))
		return
	}
	if d := diff(show(rows[:n]), show(good[:min(n, len(good))])); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

func TestTruncated(t *testing.T) {
	for _, c := range compressions[1:] {
		t.Run(c, func(t *testing.T) {
			data, borders := damageSource(t, c, 2, 12)
			st := newStorage(map[string][]byte{"in.jsonl": data})
			source := corpus.Source{Name: "s", Paths: []string{"/data"}, Compression: c, Storage: st.open}
			good := readAll(t, plan(t, 1<<20, source), 1<<20, source)
			for n := range data {
				st.files["data/in.jsonl"].Data = data[:n]
				p := plan(t, 1<<20, source)
				rows := readAll(t, p, 1<<20, source)
				if n == 0 || slices.Contains(borders, n) {
					if want := good[:len(good)/2*n/borders[0]]; diff(show(rows[:len(rows)-1]), show(want)) != "" {
						t.Errorf("cut at a border, byte %d: got\n%s", n, show(rows))
					}
					continue
				}
				checkDamaged(t, fmt.Sprintf("cut at byte %d", n), rows, good)
				if n%9 == 0 {
					checkResume(t, p, source)
				}
			}
		})
	}
}

func TestBitFlips(t *testing.T) {
	for _, c := range compressions[1:] {
		t.Run(c, func(t *testing.T) {
			data, _ := damageSource(t, c, 2, 12)
			st := newStorage(map[string][]byte{"in.jsonl": data})
			source := corpus.Source{Name: "s", Paths: []string{"/data"}, Compression: c, Storage: st.open}
			good := show(readAll(t, plan(t, 1<<20, source), 1<<20, source))
			silent := 0
			for bit := 0; bit < 8*len(data); bit += 7 {
				flipped := bytes.Clone(data)
				flipped[bit/8] ^= 1 << (bit % 8)
				st.files["data/in.jsonl"].Data = flipped
				p := plan(t, 1<<20, source)
				rows := readAll(t, p, 1<<20, source)
				found := 0
				for _, r := range rows {
					if isCorrupt(r) {
						found++
					}
				}
				switch {
				case found == 0 && diff(show(rows), good) == "":
					silent++ // in a part of a header that means nothing to us
				case found != 1:
					t.Errorf("bit %d: %d rows for the damage:\n%s", bit, found, show(rows))
				}
				if bit%11 == 0 {
					checkResume(t, p, source)
				}
			}
			if silent > len(data)*8/7/10 {
				t.Errorf("%d bits of %d mean nothing", silent, len(data)*8/7)
			}
		})
	}
}

// Damage inside large data of many blocks keeps what stands before it.
func TestDamageKeepsGoodNeighbours(t *testing.T) {
	for _, c := range compressions[1:] {
		t.Run(c, func(t *testing.T) {
			data, _ := damageSource(t, c, 3, 5_000)
			st := newStorage(map[string][]byte{"in.jsonl": data})
			source := corpus.Source{Name: "s", Paths: []string{"/data"}, Compression: c, Storage: st.open}
			good := readAll(t, plan(t, 1<<30, source), 1<<20, source)
			st.files["data/in.jsonl"].Data = data[:len(data)*9/10]
			rows := readAll(t, plan(t, 1<<30, source), 1<<20, source)
			checkDamaged(t, "cut at 9/10", rows, good)
			if len(rows) < 10_000 {
				t.Errorf("%d rows read of a file that holds 10,000 in its first two parts", len(rows))
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	for _, c := range compressions {
		t.Run(c, func(t *testing.T) {
			data, _ := damageSource(t, c, 2, 40)
			st := newStorage(map[string][]byte{"in.jsonl": data})
			source := corpus.Source{Name: "s", Paths: []string{"/data"}, Compression: c, Storage: st.open}
			p := plan(t, 700, source)
			var good []schemas.Row
			for lane := range p.Lanes {
				rows, err := readFrom(t, p, lane, p.Start(lane), 1<<20, source)
				if err != nil {
					t.Fatal(err)
				}
				good = append(good, rows...)
			}
			if c == corpus.None && len(p.Splits) < 3 {
				t.Fatalf("%d splits", len(p.Splits))
			}
			for bad := 1; bad < len(data); bad += 17 {
				st.bad = int64(bad)
				rows := readAll(t, p, 1<<20, source)
				broken := 0
				for i, r := range rows {
					if r.Verdict.Kind != schemas.Quarantine {
						continue
					}
					broken++
					if corpus.Reasons[r.Verdict.Reason] != "read-error" || r.Detail != errDisk.Error() || rows[i+1].Verdict.Kind != schemas.End {
						t.Errorf("error at byte %d: %s", bad, show(rows[i:i+2]))
					}
					if broken == 1 {
						if d := diff(show(rows[:i]), show(good[:i])); d != "" {
							t.Errorf("error at byte %d: %s", bad, d)
						}
					}
				}
				if want := 1; c != corpus.None && broken != want || broken < want {
					t.Errorf("error at byte %d: %d rows for it, want %d", bad, broken, want)
				}
				if bad%5 == 0 {
					checkResume(t, p, source)
				}
			}
		})
	}
}

func TestChangedFile(t *testing.T) {
	changes := map[string]func(f *fstest.MapFile){
		"longer":       func(f *fstest.MapFile) { f.Data = append(bytes.Clone(f.Data), f.Data...) },
		"shorter":      func(f *fstest.MapFile) { f.Data = f.Data[:len(f.Data)/2] },
		"touched":      func(f *fstest.MapFile) { f.ModTime = f.ModTime.Add(time.Second) },
		"other file":   func(f *fstest.MapFile) { f.Data = []byte("{}") },
		"now nothing":  func(f *fstest.MapFile) { f.Data = nil },
		"gone":         nil,
		"cut, unknown": nil,
	}
	for _, c := range compressions {
		for name, change := range changes {
			t.Run(c+"/"+name, func(t *testing.T) {
				data, _ := damageSource(t, c, 2, 200)
				st := newStorage(map[string][]byte{"in.jsonl": data})
				source := corpus.Source{Name: "s", Paths: []string{"/data"}, Compression: c, Storage: st.open}
				p := plan(t, 1<<20, source)
				file := st.files["data/in.jsonl"]
				if name == "gone" {
					delete(st.files, "data/in.jsonl")
				} else if change == nil {
					// Size and time stay as they were, as when a server lies.
					p.Files[0].Size, file.Data = int64(len(data)), data
					st.cut = int64(len(data) / 2)
				} else {
					change(file)
				}
				if _, err := readFrom(t, p, 0, p.Start(0), 1<<20, source); err == nil || !strings.Contains(err.Error(), "data/in.jsonl") {
					t.Errorf("changed before it was opened: %v", err)
				}
				if change == nil {
					return
				}
				*file = fstest.MapFile{Data: data, ModTime: modTime}
				opener, err := corpus.NewOpener(p, source)
				if err != nil {
					t.Fatal(err)
				}
				r, err := opener.Open(t.Context(), 0, p.Start(0))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				b := schemas.Batch{Limit: 1}
				err = r.Read(t.Context(), &b)
				if err != nil {
					t.Fatal(err)
				}
				change(file)
				for err == nil {
					b.Reset()
					b.Limit = 1 << 20
					err = r.Read(t.Context(), &b)
				}
				if !strings.Contains(err.Error(), "data/in.jsonl") {
					t.Errorf("changed while it was read: %v", err)
				}
			})
		}
	}
}

// A frame can ask for a window of terabytes.
func TestZstdWindow(t *testing.T) {
	for _, window := range []byte{0xff, (31 - 10) << 3} {
		// Magic, descriptor of a frame of unknown size, window, a last raw block of 3 bytes.
		frame := append([]byte("\x28\xb5\x2f\xfd\x00"), window, 3<<3|1, 0, 0, 'a', 'b', '\n')
		st := newStorage(map[string][]byte{"in.txt.zst": append(compress(t, corpus.Zstd, "one\n"), frame...)})
		source := corpus.Source{Name: "s", Paths: []string{"/data"}, Document: corpus.ByLine, Storage: st.open}
		rows := readAll(t, plan(t, 1<<20, source), 1<<20, source)
		if len(rows) != 3 || string(rows[0].Text) != "one" || !isCorrupt(rows[1]) || !strings.Contains(rows[1].Detail, "window") {
			t.Errorf("window %#x: %s", window, show(rows))
		}
	}
}
