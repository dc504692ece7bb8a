package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer"
)

// write makes the folder of a run with n updates.
func write(t *testing.T, dir string, n int, more string) string {
	t.Helper()
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "{\"step\":%d,\"loss\":%v,\"learning_rate\":0.001,\"grad_norm\":1,\"tokens\":10,\"labels\":10}\n", i, 4/float64(i))
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, trainer.MetricsFile), []byte(b.String()+more), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTextAndPage(t *testing.T) {
	root := t.TempDir()
	a := write(t, filepath.Join(root, "a", "run"), 4, `{"step":2,"eval_loss":3,"eval_labels":5,"eval_scores":{"f1":0.5}}`+"\n"+`{"step":4,"eval_loss":3.5,"eval_labels":5,"eval_scores":{"f1":0.75}}`+"\n")
	b := write(t, filepath.Join(root, "<b>", "run"), 200, "")
	runs, err := Read(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if runs[0].Name != "a/run" || runs[1].Name != "<b>/run" {
		t.Errorf("names %q and %q", runs[0].Name, runs[1].Name)
	}
	s := runs[0].Summary()
	if s.Steps != 4 || s.Tokens != 40 || *s.Best != 3 || s.BestAt != 2 || s.Scores["f1"] != .75 {
		t.Errorf("summary %+v", s)
	}
	var text, page bytes.Buffer
	if err := Text(&text, runs); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a/run", "3.0000", "0.7500", "█▄▂▁"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if err := HTML(&page, "two runs", runs); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<b>/run") || strings.Count(page.String(), "<svg") != 5 || !strings.Contains(page.String(), "2\u202f000") {
		t.Errorf("page with %d pictures\n%.2000s", strings.Count(page.String(), "<svg"), page.String())
	}
}

func TestNames(t *testing.T) {
	for _, c := range [][2][]string{
		{{"x/a", "x/b"}, {"a", "b"}},
		{{"x/a/r", "y/a/r/"}, {"x/a/r", "y/a/r"}},
		{{"a", "a"}, {"a", "a"}},
		{{"r", "a/r"}, {"r", "a/r"}},
	} {
		if got := names(c[0]); !slices.Equal(got, c[1]) {
			t.Errorf("names of %q are %q, want %q", c[0], got, c[1])
		}
	}
}

func TestSpark(t *testing.T) {
	for want, values := range map[string][]float64{"": nil, "▁": {7}, "▁▁": {1, 1}, "█▁": {2, 1}} {
		if got := spark(values); got != want {
			t.Errorf("%v is drawn %q, want %q", values, got, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not the folder of a run") {
		t.Errorf("error %v", err)
	}
	if _, err := Read(write(t, t.TempDir(), 1, "{\"step\":")); err == nil {
		t.Error("damaged metrics are taken")
	}
}

func TestCard(t *testing.T) {
	dir := write(t, filepath.Join(t.TempDir(), "a_b"), 4, `{"step":4,"eval_loss":3.5,"eval_labels":5}`+"\n")
	runs, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := Card{Task: "fill-mask", Kind: "bert", Parameters: 5360000, Data: [][2]string{{"re|cipe", "x\ny"}}, Use: "train fill-mask"}
	card, picture := c.Markdown(&runs[0])
	for _, want := range []string{"---\nlibrary_name: transformers\npipeline_tag: fill-mask\n", `# a\_b`, "5,360,000 parameters", "| held-out loss, nats (update 4) | 3.5000 |", `| re\|cipe | x y |`, "train fill-mask"} {
		if !strings.Contains(string(card), want) {
			t.Errorf("no %q in\n%s", want, card)
		}
	}
	if bytes.Count(picture, []byte("<polyline")) != 3 || !bytes.Contains(picture, []byte("held out")) {
		t.Errorf("picture %s", picture)
	}
}
