package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

// unit is a piece of work that the engine of these tests gives to a process.
type unit struct {
	Dir     string
	Do      string // lane, reduce, manifest or killed
	Pass, N int
	Workers int

	Plan string    // file with the plan, for killed
	At   failpoint // where killed dies
}

// unitVariable makes the test binary do one unit instead of the tests.
const unitVariable = "SHARDMILL_TEST_UNIT"

func TestMain(m *testing.M) {
	if work := os.Getenv(unitVariable); work != "" {
		if err := doUnit(context.Background(), work); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// doUnit knows the dataset folder alone: the plan in it says the rest.
func doUnit(ctx context.Context, work string) error {
	var u unit
	if err := json.Unmarshal([]byte(work), &u); err != nil {
		return err
	}
	if u.Do == "killed" {
		return runKilled(ctx, u)
	}
	store, done, err := pipeline.OpenDir(u.Dir)
	if err != nil {
		return err
	}
	defer done()
	plan, err := ReadPlan(store)
	if err != nil {
		return err
	}
	env := &Env{Store: store, Workers: u.Workers}
	switch u.Do {
	case "lane":
		return RunLane(ctx, env, plan, u.Pass, u.N)
	case "reduce":
		return Reduce(ctx, env, plan, u.Pass, u.N)
	default:
		return Manifest(ctx, env, plan)
	}
}

// engine runs the units of a plan as processes, a few at a time, in random order, some of them twice and some killed and tried again.
type engine struct {
	t   *testing.T
	dir string
	rng *rand.Rand
}

func (e *engine) start(u unit) *exec.Cmd {
	u.Dir, u.Workers = e.dir, 1+e.rng.IntN(2)
	work, err := json.Marshal(u)
	if err != nil {
		e.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), unitVariable+"="+string(work))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	return cmd
}

// do runs units, three at a time.
func (e *engine) do(units []unit) {
	units = append(units, units[:(len(units)+3)/4]...)
	e.rng.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	const abreast = 3
	for len(units) > 0 {
		now := units[:min(abreast, len(units))]
		units = units[len(now):]
		running := map[*exec.Cmd]unit{}
		for _, u := range now {
			running[e.start(u)] = u
		}
		for cmd, u := range running {
			if e.rng.IntN(6) == 0 {
				_ = cmd.Process.Kill() // it may have ended already
				_ = cmd.Wait()
				units = append(units, u)
			} else if err := cmd.Wait(); err != nil {
				e.t.Fatalf("%+v: %v", u, err)
			}
		}
	}
}

func (e *engine) run(plan *schemas.Plan) {
	for pass := range plan.Passes {
		var lanes, parts []unit
		for lane := range plan.Lanes {
			lanes = append(lanes, unit{Do: "lane", Pass: pass, N: lane})
		}
		for part := range plan.Passes[pass].Parts {
			parts = append(parts, unit{Do: "reduce", Pass: pass, N: part})
		}
		e.do(lanes)
		e.do(parts)
	}
	e.do([]unit{{Do: "manifest"}})
}

// TestEngine holds that a plan gives the same dataset when processes that know nothing of each other do its units.
func TestEngine(t *testing.T) {
	dir := setUp(t)
	r := parse(t, dir, testRecipe)
	want := t.TempDir()
	env := openEnv(t, want)
	if err := Run(t.Context(), env, compile(t, env, r)); err != nil {
		t.Fatal(err)
	}
	got := t.TempDir()
	env = openEnv(t, got)
	plan := compile(t, env, r)
	if err := Prepare(env, plan); err != nil {
		t.Fatal(err)
	}
	seed := uint64(os.Getpid())
	t.Logf("seed %d", seed)
	e := engine{t: t, dir: got, rng: rand.New(rand.NewPCG(seed, 1))}
	e.run(plan)
	sameContents(t, contents(t, got), contents(t, want))
}
