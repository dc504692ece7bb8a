// Package realdata finds the real corpora, tasks and tokenizers that tests may use. They are not part of the repository: a test that
// needs them is skipped, saying so, where they are absent, and fails where SHARDMILL_REQUIRE_DATA=1 says that they must be there.
package realdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of a file or folder below shared/data, which lies beside the repository (or beside the folder that holds its
// worktrees). SHARDMILL_DATA names another place.
func Path(t testing.TB, name string) string {
	t.Helper()
	for _, root := range roots(t) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if os.Getenv("SHARDMILL_REQUIRE_DATA") == "1" {
		t.Fatalf("%s is not there and SHARDMILL_REQUIRE_DATA=1 demands it: set SHARDMILL_DATA to the folder that holds it", name)
	}
	t.Skipf("%s is not there: real data lies in shared/data beside the repository, or where SHARDMILL_DATA says", name)
	return ""
}

func roots(t testing.TB) []string {
	if dir := os.Getenv("SHARDMILL_DATA"); dir != "" {
		return []string{dir}
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory of the test")
		}
		dir = parent
	}
	up := filepath.Dir(dir)
	return []string{filepath.Join(up, "shared", "data"), filepath.Join(filepath.Dir(up), "shared", "data")}
}
