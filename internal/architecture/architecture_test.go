// Package architecture holds the structure of the module in a test: which room may import which, where third-party packages live,
// and who may start goroutines.
package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/shardmill/shardmill/"

// rooms lists each package with the packages of this module that it may import. Tests may import what they like.
var rooms = map[string][]string{
	"schemas":             {},
	"pipeline":            {"schemas"},
	"pipeline/recipe":     {"schemas", "pipeline", "stages", "datasets/corpus", "datasets/shards", "tokenizers", "tokenizers/formats"},
	"stages":              {"schemas", "tokenizers"},
	"stages/mask":         {"schemas"},
	"datasets/corpus":     {"schemas"},
	"datasets/shards":     {"schemas"},
	"datasets/loader":     {"schemas", "datasets/shards", "stages/mask"},
	"datasets/tasks":      {"schemas"},
	"tokenizers":          {},
	"trainer":             {"schemas", "trainer/events", "trainer/params", "trainer/kernels", "trainer/metrics", "trainer/optim", "trainer/checkpoint"},
	"trainer/events":      {},
	"tokenizers/formats":  {"tokenizers"},
	"tokenizers/sugarme":  {"tokenizers"},
	"trainer/params":      {},
	"trainer/kernels":     {},
	"trainer/fused":       {"schemas", "trainer/params", "trainer/kernels"},
	"trainer/model":       {"schemas", "trainer", "trainer/params", "trainer/kernels", "trainer/fused"},
	"trainer/optim":       {"trainer/params", "trainer/kernels"},
	"trainer/checkpoint":  {"trainer/params"},
	"trainer/metrics":     {},
	"trainer/report":      {"trainer", "trainer/checkpoint", "internal/chart"},
	"cmd/ingest":          {"schemas", "pipeline", "pipeline/recipe", "datasets/shards", "tokenizers", "tokenizers/formats", "tokenizers/sugarme"},
	"cmd/train":           {"schemas", "trainer", "trainer/model", "trainer/optim", "trainer/params", "trainer/checkpoint", "trainer/kernels", "trainer/metrics", "trainer/report", "datasets/loader", "datasets/shards", "datasets/tasks", "stages/mask", "tokenizers"},
	"internal/quickstart": {},
	"internal/realdata":   {},
	"internal/roughtext":  {},
	"internal/transfer":   {"internal/chart"},
	"internal/chart":      {},

	// What the scripts in conformance/ run on our side.
	"conformance/tokenizers/digest": {"tokenizers"},
	"conformance/tokenizers/encode": {"tokenizers"},
	"conformance/tokenizers/train":  {"tokenizers"},
	"conformance/tokenizers/lines":  {"internal/roughtext"},
	"conformance/trainer/logits":    {"schemas", "trainer/checkpoint", "trainer/kernels", "trainer/model"},

	// What the scripts in bench/ measure.
	"bench/tokenizers":         {"tokenizers"},
	"bench/tokenizers/sugarme": {},
	"bench/trainer":            {"schemas", "datasets/tasks", "trainer", "trainer/checkpoint", "trainer/kernels", "trainer/model", "trainer/optim"},
}

// homes lists third-party packages that only one room may know.
var homes = map[string][]string{
	"gorgonia.org/":                          {"trainer/fused"},
	"github.com/apache/arrow-go/":            {"datasets/shards"},
	"github.com/goccy/go-yaml":               {"pipeline/recipe"},
	"github.com/spf13/":                      {"cmd/ingest", "cmd/train", "pipeline/recipe"},
	"codeberg.org/readeck/go-readability/v2": {"stages"},
	"github.com/parquet-go/":                 {"datasets/tasks"},
	"github.com/sugarme/":                    {"bench/tokenizers/sugarme", "tokenizers/sugarme"},
}

// starters are the rooms that may start goroutines: pipeline on its own account, the others when told how many.
var starters = []string{"pipeline", "tokenizers", "trainer/kernels", "datasets/loader", "cmd/ingest", "cmd/train", "bench/tokenizers"}

func TestRooms(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); base == "testdata" || name != root && strings.HasPrefix(base, ".") || base == "bin" || base == "build" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		checkFile(t, filepath.ToSlash(rel), file)
		seen[path.Dir(filepath.ToSlash(rel))] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if _, err := os.Stat(filepath.Join(root, room)); err != nil || !seen[room] {
			t.Errorf("%s stands in the list of rooms, but holds no code", room)
		}
	}
}

func checkFile(t *testing.T, name string, file *ast.File) {
	room := path.Dir(name)
	if strings.Contains(room, "/internal/") { // a room's private parts obey the room's rules
		room = room[:strings.Index(room, "/internal/")]
	}
	allowed, known := rooms[room]
	if !known {
		t.Errorf("%s: package %s has no place in the list of rooms", name, room)
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if other, ours := strings.CutPrefix(imported, module); ours {
			if !slices.Contains(allowed, other) && !strings.HasPrefix(other, room+"/internal/") {
				t.Errorf("%s imports %s: that arrow is not in the design", name, other)
			}
			continue
		}
		if room == "schemas" && strings.Contains(strings.Split(imported, "/")[0], ".") {
			t.Errorf("%s imports %s: schemas stands on the standard library alone", name, imported)
		}
		for prefix, home := range homes {
			if strings.HasPrefix(imported, prefix) && !slices.Contains(home, room) {
				t.Errorf("%s imports %s: only %v may", name, imported, home)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if _, starts := n.(*ast.GoStmt); starts && !slices.Contains(starters, room) {
			t.Errorf("%s starts a goroutine: only %v may", name, starters)
		}
		return true
	})
}
