package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/model"
)

// things are the words of the small tasks, which all hang on whether a boat or a lamp is meant.
var things = []string{"boat", "lamp", "fence", "apple"}

// taskSet makes example i of a task as a part of a file.
var taskSets = map[string]struct {
	suffix      string
	begin, end  string
	example     func(i int, a, b string) string
	flags       []string
	metric      string
	least       float64
	told, eval  []string // what finetune and eval say
	predictions string   // how predict begins
}{
	"tag": {".conll", "", "", func(_ int, a, b string) string {
		tag := map[string]string{"boat": "B-THING", "lamp": "B-THING", "fence": "O", "apple": "O"}
		return fmt.Sprintf("the\tO\nboy\tB-MAN\ntook\tO\nthe\tO\n%s\t%s\nand\tO\nthe\tO\n%s\t%s\n\n", a, tag[a], b, tag[b])
	}, nil, entityF1, 0.9, []string{"of 3 labels"}, []string{"entity_f1", "THING ", "predicted as"}, "the\tO\nboy\tB-MAN\n"},
	"qa": {".jsonl", "", "", func(i int, a, b string) string {
		context := fmt.Sprintf("the boy took the %s and the man took the %s at night", a, b)
		return fmt.Sprintf(`{"id":"q%d","question":"the boy took","context":%q,"answers":{"text":[%q],"answer_start":[%d]}}`+"\n", i, context, a, strings.Index(context, a))
	}, []string{"--max-answer", "3", "--overlap", "4"}, "f1", 0.9, []string{"cut to 24 tokens"}, []string{"exact ", "highest loss:"}, "q5000\t"},
	"choice": {".json", "[", `{"q":"the boy","x":"the lamp","y":"the fence","gold":0}]`, func(_ int, a, _ string) string {
		x, y, right := a, "apple", "A"
		if a == "fence" || a == "apple" {
			x, y, right = a, "boat", "B"
		}
		return fmt.Sprintf(`{"q":"the boy took","x":"the %s","y":"the %s","gold":%q},`+"\n", x, y, right)
	}, []string{"--text-field", "q", "--options-field", "x,y", "--label-field", "gold"}, "accuracy", 0.9, nil, []string{"accuracy ", "highest loss:"}, ""},
	"regress": {".csv", "text,label\n", "", func(_ int, a, b string) string {
		value := map[string]string{"boat": "1.5", "lamp": "0.5", "fence": "-0.5", "apple": "-1"}
		return fmt.Sprintf("the boy took the %s,%s\n", a, value[a])
	}, nil, pearson, 0.9, nil, []string{"mse ", "spearman "}, ""},
	"embed": {".tsv", "text\tother\tlabel\n", "", func(_ int, a, b string) string {
		value := 0.
		if a == b {
			value = 1
		}
		return fmt.Sprintf("the boy took the %s\tthe %s at night\t%v\n", a, b, value)
	}, []string{"--pair-field", "other"}, spearman, 0.6, nil, []string{"mse ", "highest loss:"}, ""},
}

func taskFile(t *testing.T, task, dir, name string, n, skip int) string {
	t.Helper()
	set := taskSets[task]
	var out bytes.Buffer
	out.WriteString(set.begin)
	for i := skip; i < skip+n; i++ {
		h := uint32(i) * 2654435761
		out.WriteString(set.example(i, things[h>>13&3], things[h>>17&3]))
	}
	out.WriteString(set.end)
	path := filepath.Join(dir, name+set.suffix)
	if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTasks learns each task on one and on two threads to the same bits; eval finds the scores of the best epoch again, and predict gives each example something.
func TestTasks(t *testing.T) {
	bert := pretrained(t)
	for task, set := range taskSets {
		t.Run(task, func(t *testing.T) {
			dir := t.TempDir()
			train, dev := taskFile(t, task, dir, "train", 240, 0), taskFile(t, task, dir, "dev", 40, 5000)
			one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
			args := func(out string, more ...string) []string {
				all := append([]string{"finetune", "--task", task, "--model", bert, "--train", train, "--eval", dev, "--out", out, "--lr", "3e-3", "--batch-size", "16",
					"--seed", "5", "--epochs", "6"}, set.flags...)
				return append(all, more...)
			}
			said, told := do(t, args(one, "--threads", "1")...)
			do(t, args(two, "--threads", "2", "--progress", "none")...)
			sameFiles(t, one, two, trainer.MetricsFile, checkpoint.WeightsFile, checkpoint.ConfigFile)
			for _, want := range set.told {
				if !strings.Contains(told, want) {
					t.Errorf("no %q in what it told: %s", want, told)
				}
			}
			use := append([]string{"--model", one, "--data", dev}, set.flags...)
			text, _ := do(t, append([]string{"eval"}, use...)...)
			for _, want := range set.eval {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in what eval says: %s", want, text)
				}
			}
			out, _ := do(t, append([]string{"eval", "--json", "--worst", "2"}, use...)...)
			var r taskEvaluation
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err)
			}
			if score := r.Scores[set.metric]; score < set.least || !strings.Contains(said, fmt.Sprintf("%s %.4f", set.metric, score)) || r.Task != task || len(r.Worst) != 2 {
				t.Errorf("%s %v, said %s, evaluation %s", set.metric, score, said, out)
			}
			predicted, _ := do(t, append([]string{"predict"}, use...)...)
			if !strings.HasPrefix(predicted, set.predictions) {
				t.Errorf("predicted %s", predicted)
			}
			objects, _ := do(t, append([]string{"predict", "--json"}, use...)...)
			if n := strings.Count(objects, "\n"); n != r.Examples || !json.Valid([]byte(objects[:strings.Index(objects, "\n")])) {
				t.Errorf("%d objects for %d examples: %s", n, r.Examples, objects)
			}
			checkLoss(t, one, dev, task, set.flags, r.Loss)
			// Its own head goes along: what it knows is there before the first step.
			again := filepath.Join(dir, "again")
			_, told = do(t, append([]string{"finetune", "--task", task, "--model", one, "--train", train, "--out", again, "--epochs", "1", "--train-examples", "16"}, set.flags...)...)
			if strings.Contains(told, "at random") {
				t.Errorf("it forgot its head: %s", told)
			}
			var refused bytes.Buffer
			if code := run(t.Context(), []string{"fill-mask", "--model", one, "a [MASK]"}, &bytes.Buffer{}, &refused); code != exitFailed ||
				!strings.Contains(refused.String(), taskNamed(task).does) {
				t.Errorf("exit code %d: %s", code, &refused)
			}
		})
	}
}

// checkLoss holds the loss of the evaluation against that of the network, which is equal to PyTorch's.
func checkLoss(t *testing.T, dir, file, name string, flags []string, want float64) {
	t.Helper()
	m, err := openFolder(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var l labelledFlags
	var cmd cobra.Command
	l.flags(&cmd)
	if err := cmd.Flags().Parse(flags); err != nil {
		t.Fatal(err)
	}
	kind := taskNamed(name)
	set, err := kind.read(&l, file, true)
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.encoder(m.tokenizer, m.Config(), kind.length, kind.pairs(&l))
	if err != nil {
		t.Fatal(err)
	}
	sequences, group, _, err := set.sequences(e, m.Config().(*model.EncoderConfig).Labels)
	if err != nil {
		t.Fatal(err)
	}
	batches, err := tasks.NewBatches(sequences, tasks.Options{Kind: kind.kind, Group: group, BatchSequences: 5})
	if err != nil {
		t.Fatal(err)
	}
	got, err := trainer.Evaluate(t.Context(), m, batches, 0)
	if err != nil || math.Abs(got.EvalLoss-want) > 1e-5*math.Max(1, want) {
		t.Errorf("the network has the loss %v, the evaluation says %v; error %v", got.EvalLoss, want, err)
	}
}
