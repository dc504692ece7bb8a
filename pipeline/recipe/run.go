package recipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/stages"
	"github.com/shardmill/shardmill/tokenizers"
)

// Files of a dataset folder that a run starts with.
const (
	planFile      = "run/plan.json"
	tokenizerFile = "tokenizer.json"
)

// Bounds of files that are read whole.
const (
	maxPlanBytes      = 1 << 30
	maxTokenizerBytes = 256 << 20
	maxManifestBytes  = 1 << 30
)

// Prepare puts the plan and the tokenizer into the dataset folder, from where lanes take them. It refuses a folder that another plan was
// begun in, and says what differs. It may be called again.
func Prepare(env *Env, plan *schemas.Plan) error {
	content, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	switch before, err := pipeline.ReadAll(env.Store, planFile, maxPlanBytes); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case string(before) == string(content):
	default:
		old, err := decodePlan(before)
		if err != nil {
			return err
		}
		if old.Fingerprint.Digest != plan.Fingerprint.Digest {
			return otherRun(old.Fingerprint, plan, canonical(old))
		}
		// The same input in another place, or another on_error.
		if err := env.Store.Remove(planFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := pipeline.Publish(env.Store, planFile, content); err != nil {
		return err
	}
	r, err := fromPlan(plan)
	if err != nil {
		return err
	}
	tok, err := loadTokenizer(r)
	if err != nil {
		return err
	}
	return pipeline.Publish(env.Store, tokenizerFile, tok.Raw())
}

// ReadPlan reads the plan that Prepare has put into the dataset folder.
func ReadPlan(store pipeline.Store) (*schemas.Plan, error) {
	content, err := pipeline.ReadAll(store, planFile, maxPlanBytes)
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	return decodePlan(content)
}

func decodePlan(content []byte) (*schemas.Plan, error) {
	var plan schemas.Plan
	if err := json.Unmarshal(content, &plan); err != nil {
		return nil, fmt.Errorf("read %s: %w", planFile, err)
	}
	if plan.Version != schemas.PlanVersion {
		return nil, fmt.Errorf("read %s: version %d, this program knows %d: use another folder", planFile, plan.Version, schemas.PlanVersion)
	}
	return &plan, nil
}

func fromPlan(plan *schemas.Plan) (*Recipe, error) {
	return parseMade([]byte(plan.Recipe), "the plan's recipe")
}

// canonical is the canonical form of the recipe of a plan. It is empty if that can't be read, as another version's may be.
func canonical(plan *schemas.Plan) string {
	r, err := fromPlan(plan)
	if err != nil {
		return ""
	}
	text, err := r.Canonical()
	if err != nil {
		return ""
	}
	return string(text)
}

func otherRun(before schemas.Fingerprint, plan *schemas.Plan, oldRecipe string) error {
	return &OtherRun{difference(before, plan.Fingerprint, oldRecipe, canonical(plan))}
}

// Run does all that is left of a plan in this process.
func Run(ctx context.Context, env *Env, plan *schemas.Plan) error {
	if err := Prepare(env, plan); err != nil {
		return err
	}
	r, err := fromPlan(plan)
	if err != nil {
		return err
	}
	limit := r.OnError.quarantinable()
	err = env.unlessFinished(plan, func() error {
		job := func(pass int) (*pipeline.Job, error) { return env.job(plan, pass) }
		if err := pipeline.Run(ctx, plan, job, env.options(limit)); err != nil {
			return err
		}
		return Manifest(ctx, env, plan)
	})
	if err != nil {
		return err
	}
	m, err := finished(env.Store, plan)
	if err != nil {
		return err
	}
	if limit >= 0 && m.Totals.Quarantined > limit {
		// An earlier run with another on_error has made the dataset. The fold knows which record is too many.
		return Manifest(ctx, env, plan)
	}
	return removeIntermediate(env.Store, plan)
}

// RunLane does what is left of one lane of a pass. All passes before must be done, with their reductions. Lanes can run in any order, in any
// number of processes, and more than once.
func RunLane(ctx context.Context, env *Env, plan *schemas.Plan, pass, lane int) error {
	if pass < 0 || pass >= len(plan.Passes) || lane < 0 || lane >= len(plan.Lanes) {
		return fmt.Errorf("run lane: no lane %d in pass %d: the plan has %d lanes and %d passes", lane, pass, len(plan.Lanes), len(plan.Passes))
	}
	return env.unit(plan, pass, func(job *pipeline.Job, opt pipeline.Options) error { return pipeline.RunLane(ctx, job, lane, opt) })
}

// Reduce does one part of the reduction that follows a pass, if it is not done yet. All lanes of the pass must be done.
func Reduce(ctx context.Context, env *Env, plan *schemas.Plan, pass, part int) error {
	if pass < 0 || pass >= len(plan.Passes) || part < 0 || part >= plan.Passes[pass].Parts {
		return fmt.Errorf("reduce: no part %d behind pass %d in the plan", part, pass)
	}
	return env.unit(plan, pass, func(job *pipeline.Job, opt pipeline.Options) error { return pipeline.Reduce(ctx, job, part, opt) })
}

// unit does a part of a plan, unless the whole dataset is there.
func (e *Env) unit(plan *schemas.Plan, pass int, do func(*pipeline.Job, pipeline.Options) error) error {
	return e.unlessFinished(plan, func() error {
		r, err := fromPlan(plan)
		if err != nil {
			return err
		}
		job, err := e.job(plan, pass)
		if err != nil {
			return err
		}
		return do(job, e.options(r.OnError.quarantinable()))
	})
}

// unlessFinished does work for a dataset that is not there yet. Another run in the same folder may end meanwhile and remove what the work
// needs: then there is nothing left to do.
func (e *Env) unlessFinished(plan *schemas.Plan, work func() error) error {
	if m, err := finished(e.Store, plan); err != nil || m != nil {
		return err
	}
	err := work()
	if errors.Is(err, fs.ErrNotExist) {
		if m, _ := finished(e.Store, plan); m != nil {
			return nil
		}
	}
	return err
}

// finished returns the manifest of the plan, nil if it is not there.
func finished(store pipeline.Store, plan *schemas.Plan) (*schemas.Manifest, error) {
	content, err := pipeline.ReadAll(store, shards.ManifestFile, maxManifestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := shards.DecodeManifest(content)
	if err != nil {
		return nil, err
	}
	if m.Fingerprint.Digest != plan.Fingerprint.Digest {
		return nil, otherRun(m.Fingerprint, plan, m.Recipe)
	}
	return m, nil
}

// removeIntermediate removes what passes hand to one another.
func removeIntermediate(store pipeline.Store, plan *schemas.Plan) error {
	for _, pass := range plan.Passes[:len(plan.Passes)-1] {
		folder := path.Join("run", pass.Name)
		names, err := store.List(folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasSuffix(name, ".json") {
				// Another run may remove it too.
				if err := store.Remove(path.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("remove what the run does not need any more: %w", err)
				}
			}
		}
	}
	return nil
}

// job puts one pass of a plan together.
func (e *Env) job(plan *schemas.Plan, pass int) (*pipeline.Job, error) {
	r, err := fromPlan(plan)
	if err != nil {
		return nil, err
	}
	job := &pipeline.Job{Plan: plan, Pass: pass, Store: e.Store, Output: spillOutput{}}
	if pass == 0 {
		job.Opener, err = e.reader(plan, r)
	} else {
		job.Opener = spillOpener{e.Store, plan, pass - 1}
	}
	if err != nil {
		return nil, err
	}
	at := 0
	for i, s := range r.Stages {
		index := uint16(i + 1)
		def, _ := findDefinition(s.name)
		if def.stage != nil {
			if at == pass {
				job.Stages = append(job.Stages, def.stage(s.options, plan, index))
			}
			continue
		}
		dedup := stages.Dedup{Parts: plan.Passes[at].Parts, MemoryBytes: e.split().sort, Dir: e.TempDir}
		if at == pass {
			job.Reduction = dedup
		}
		if at++; at == pass {
			job.Stages = append(job.Stages, e.verdicts(plan, pass-1, dedup, index))
		}
	}
	if pass == len(plan.Passes)-1 {
		err = e.finishJob(job, r)
	}
	return job, err
}

// finishJob adds what only the last pass has: tokenize and shards.
func (e *Env) finishJob(job *pipeline.Job, r *Recipe) error {
	tok, err := e.tokenizer(r)
	if err != nil {
		return err
	}
	index := uint16(len(job.Plan.Stages) - 1)
	tokenize := stages.Tokenize{EndOfDocument: tok.end, NewEncoder: func(cacheBytes int) stages.Encoder { return tok.NewEncoder(cacheBytes) }}
	// No other stage has a cache, so this one gets what a worker may use, not a share of it.
	memory := e.split().worker
	job.Stages = append(job.Stages, pipeline.StageFunc(func(int64) (pipeline.Worker, error) { return tokenize.NewWorker(index, memory) }))
	job.Output = shardOutput{shards.Options{TokenBytes: shards.TokenBytes(tok.VocabSize()), ShardTokens: int64(r.Shards.Tokens),
		HeldOutPPM: int(r.Shards.HeldOut), Source: job.Plan.SourcePath}}
	return nil
}

// tokenizer loads the tokenizer of the dataset folder.
func (e *Env) tokenizer(r *Recipe) (*tokenizer, error) {
	content, err := pipeline.ReadAll(e.Store, tokenizerFile, maxTokenizerBytes)
	if err != nil {
		return nil, fmt.Errorf("load the tokenizer of the dataset: %w", err)
	}
	t, err := tokenizers.Load(content)
	if err != nil {
		return nil, fmt.Errorf("load the tokenizer of the dataset: %w", err)
	}
	tok, err := newTokenizer(t, r.Tokenizer.EndOfDocument)
	if err != nil {
		return nil, fmt.Errorf("end of document: %w", err)
	}
	return tok, nil
}

// reader opens the lanes of the input.
func (e *Env) reader(plan *schemas.Plan, r *Recipe) (pipeline.Opener, error) {
	opener, err := corpus.NewOpener(plan, r.corpora(e.Storage)...)
	if err != nil {
		return nil, err
	}
	open := pipeline.OpenerFunc(func(ctx context.Context, lane int, from schemas.Cursor) (pipeline.Source, error) {
		return opener.Open(ctx, lane, from)
	})
	if r.Limit == 0 {
		return open, nil
	}
	return limitOpener{open, plan, int64(r.Limit)}, nil
}

// verdicts makes the stage that applies the verdicts of a reduction.
func (e *Env) verdicts(plan *schemas.Plan, pass int, dedup stages.Dedup, index uint16) pipeline.Stage {
	return pipeline.StageFunc(func(memory int64) (pipeline.Worker, error) {
		var parts []stages.Verdicts
		for part := range plan.Passes[pass].Parts {
			name := pipeline.VerdictsPath(plan, pass, part)
			f, err := e.Store.Open(name)
			if err != nil {
				return nil, fmt.Errorf("open verdicts: %w", err)
			}
			size := f.Size()
			if err := f.Close(); err != nil {
				return nil, err
			}
			parts = append(parts, stages.Verdicts{ReaderAt: stored{e.Store, name}, Size: size})
		}
		return dedup.Apply(parts).NewWorker(index, memory)
	})
}

// stored reads a file of the store without holding it open: verdicts are read in few pieces by workers that nobody closes.
type stored struct {
	store pipeline.Store
	name  string
}

func (s stored) ReadAt(b []byte, at int64) (int, error) {
	f, err := s.store.Open(s.name)
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(b, at)
	if closeErr := f.Close(); err == nil || err == io.EOF {
		err = errors.Join(err, closeErr)
	}
	return n, err
}

// shardOutput writes the shards of the dataset.
type shardOutput struct{ options shards.Options }

func (o shardOutput) Create(_ int, create func(suffix string) (io.Writer, error)) (pipeline.Part, error) {
	arrow, err := create(".arrow")
	if err != nil {
		return nil, err
	}
	index, err := create(".idx")
	if err != nil {
		return nil, err
	}
	return shards.NewWriter(arrow, index, o.options)
}
