package recipe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

// unitVariable tells this test binary to be a process of the engine below: "FOLDER lane|reduce PASS INDEX".
const unitVariable = "SHARDMILL_TEST_UNIT"

func TestMain(m *testing.M) {
	if unit := os.Getenv(unitVariable); unit != "" {
		if err := runUnit(context.Background(), unit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runUnit does one unit of work, knowing nothing but the dataset folder.
func runUnit(ctx context.Context, unit string) error {
	var dir, kind string
	var pass, index int
	if _, err := fmt.Sscanf(unit, "%q %s %d %d", &dir, &kind, &pass, &index); err != nil {
		return err
	}
	store, done, err := pipeline.OpenDir(dir)
	if err != nil {
		return err
	}
	defer done()
	plan, err := ReadPlan(store)
	if err != nil {
		return err
	}
	env := &Env{Store: store, Workers: 1 + index%2}
	if kind == "reduce" {
		return Reduce(ctx, env, plan, pass, index)
	}
	return RunLane(ctx, env, plan, pass, index)
}

// processEngine is an engine as strangers build them: each unit is a process; units come in random order, each twice; processes run at the
// same time and some are killed. A unit that failed is started again.
type processEngine struct {
	dir string
	rng *rand.Rand
}

func (e *processEngine) run(t *testing.T, plan *schemas.Plan) {
	t.Helper()
	for pass := range plan.Passes {
		e.all(t, "lane", pass, len(plan.Lanes))
		e.all(t, "reduce", pass, plan.Passes[pass].Parts)
	}
}

func (e *processEngine) all(t *testing.T, kind string, pass, n int) {
	t.Helper()
	type unit struct {
		name string
		kill time.Duration // 0: let it live
	}
	units := make(chan unit, 2*n)
	for _, i := range e.rng.Perm(2 * n) {
		u := unit{name: fmt.Sprintf("%q %s %d %d", e.dir, kind, pass, i%n)}
		if e.rng.IntN(3) == 0 {
			u.kill = time.Duration(1+e.rng.IntN(40)) * time.Millisecond
		}
		units <- u
	}
	close(units)
	var processes sync.WaitGroup
	for range 3 {
		processes.Go(func() {
			for u := range units {
				if u.kill > 0 {
					_ = start(u.name, u.kill)
				}
				if err := start(u.name, time.Minute); err != nil {
					t.Errorf("%s: %v", u.name, err)
				}
			}
		})
	}
	processes.Wait()
}

// start runs a unit in a process, and kills it after a while.
func start(unit string, after time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), unitVariable+"="+unit)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// The seams hold: an engine of separate processes makes the same dataset as a run in this one.
func TestEngineOfProcesses(t *testing.T) {
	dir := setUp(t)
	r := parse(t, dir, testRecipe)
	want := openEnv(t, filepath.Join(dir, "want"))
	plan, err := Compile(t.Context(), want, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Lanes) < 4 || len(plan.Passes) != 2 {
		t.Fatalf("%d lanes, %d passes: too few for this test", len(plan.Lanes), len(plan.Passes))
	}
	if err := Run(t.Context(), want, plan); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2) {
		out := filepath.Join(dir, fmt.Sprintf("got-%d", seed))
		env := openEnv(t, out)
		if err := Prepare(env, plan); err != nil {
			t.Fatal(err)
		}
		(&processEngine{out, rand.New(rand.NewPCG(seed, 0))}).run(t, plan)
		for range 2 {
			if err := Manifest(t.Context(), env, plan); err != nil {
				t.Fatal(err)
			}
		}
		sameContents(t, contents(t, out), contents(t, filepath.Join(dir, "want")))
	}
}
