package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/stages"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/tokenizers/formats"
)

// Compile finds the input files of a recipe, reads each for its digest, and says all that a run will do. The plan is a function of the
// recipe and the files; of env it needs Storage alone.
func Compile(ctx context.Context, env *Env, r *Recipe) (*schemas.Plan, error) {
	tok, err := loadTokenizer(r)
	if err != nil {
		return nil, err
	}
	sources := r.corpora(env.Storage)
	plan := &schemas.Plan{Version: schemas.PlanVersion}
	if plan.Sources, plan.Files, err = corpus.List(ctx, sources...); err != nil {
		return nil, r.inputMistake(err)
	}
	laneBytes := int64(r.Lanes.Bytes)
	if r.Limit > 0 {
		laneBytes = maxLimit // one lane for each source, since the first records are those of one reading
	}
	if plan.Splits, plan.Lanes, err = corpus.Split(ctx, sources, plan.Sources, plan.Files, laneBytes); err != nil {
		return nil, err
	}
	plan.Stages, plan.Passes = r.layout(plan)
	text, err := marshal(r)
	if err != nil {
		return nil, err
	}
	plan.Recipe = string(text)
	plan.Fingerprint, err = fingerprint(plan, r, tok)
	return plan, err
}

// partBytes is the stored input for which a reduction gets one more part: its keys are a small share of that.
const partBytes = 16 << 30

// maxParts bounds the parts of a reduction.
const maxParts = 256

// layout lists the stages and passes. Stage 0 is the reader, the last one is tokenize; those between stand in the order of the recipe.
func (r *Recipe) layout(plan *schemas.Plan) (table []schemas.Stage, passes []schemas.Pass) {
	var stored int64
	for i := range plan.Files {
		stored += plan.Files[i].Size
	}
	parts := int(min(stored/partBytes+1, maxParts))
	table = []schemas.Stage{{Name: "read", Version: corpus.Version, Reasons: corpus.Reasons}}
	for _, s := range r.Stages {
		if s.name == dedupName {
			name := dedupName
			if n := len(passes); n > 0 {
				name += "-" + strconv.Itoa(n+1)
			}
			passes = append(passes, schemas.Pass{Name: name, Parts: parts})
		}
		table = append(table, schemas.Stage{Name: s.name, Version: s.options.Version(), Pass: len(passes), Reasons: s.options.Reasons()})
	}
	var last stages.Tokenize
	table = append(table, schemas.Stage{Name: last.Name(), Version: last.Version(), Pass: len(passes), Reasons: last.Reasons()})
	return table, append(passes, schemas.Pass{Name: "shards"})
}

// recipePart is the part of a fingerprint that stands for the recipe.
const recipePart = "recipe"

// fingerprint names everything that decides about the output.
func fingerprint(plan *schemas.Plan, r *Recipe, tok *tokenizer) (schemas.Fingerprint, error) {
	var f schemas.Fingerprint
	canonical, err := r.Canonical()
	if err != nil {
		return f, err
	}
	add := func(name, content string) {
		f.Parts = append(f.Parts, schemas.FingerprintPart{Name: name, Digest: digest([]byte(content))})
	}
	add("layout", fmt.Sprintf("plan %d, manifest %d", schemas.PlanVersion, schemas.ManifestVersion))
	add(recipePart, string(canonical))
	for i, s := range plan.Stages {
		add(fmt.Sprintf("stage %d: %s", i, s.Name), fmt.Sprintf("%s version %d", s.Name, s.Version))
	}
	add("tokenizer", fmt.Sprintf("%s end of document %d", digest(tok.Raw()), tok.end))
	for i := range plan.Files {
		file := &plan.Files[i]
		add("file "+plan.SourcePath(int32(i)), fmt.Sprintf("%s %s %d %s", file.Format, file.Compression, file.Size, file.Digest))
	}
	// Commits are numbered by lane and split. Storage that reads from any offset is cut where other storage is not.
	lanes, err := json.Marshal([]any{plan.Splits, plan.Lanes})
	if err != nil {
		return f, err
	}
	add("lanes", string(lanes))
	parts, err := json.Marshal(f.Parts)
	f.Digest = digest(parts)
	return f, err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// tokenizer is a tokenizer with the id that closes documents.
type tokenizer struct {
	*tokenizers.Tokenizer
	end uint32
}

func loadTokenizer(r *Recipe) (*tokenizer, error) {
	if r.Tokenizer.File == "" {
		return nil, r.mistake("tokenizer.file", "name a tokenizer.json")
	}
	t, err := formats.Open(r.Tokenizer.File)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	tok, err := newTokenizer(t, r.Tokenizer.EndOfDocument)
	if err != nil {
		return nil, r.mistake("tokenizer.end_of_document", "%w", err)
	}
	return tok, nil
}

// usualEnds are the special tokens that well-known tokenizers close a document with.
var usualEnds = []string{"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eot_id|>", "[SEP]"}

// newTokenizer finds the special token that closes documents: the one named, or the only usual one that the tokenizer has.
func newTokenizer(t *tokenizers.Tokenizer, name string) (*tokenizer, error) {
	var names, usual []string
	var end uint32
	for _, s := range t.SpecialTokens() {
		names = append(names, s.Content)
		if s.Content == name || name == "" && slices.Contains(usualEnds, s.Content) {
			usual = append(usual, s.Content)
			end = s.ID
		}
	}
	switch {
	case len(usual) == 1:
		return &tokenizer{t, end}, nil
	case name != "":
		return nil, fmt.Errorf("%q is no special token of the tokenizer; it has %q", name, names)
	case len(usual) == 0:
		return nil, fmt.Errorf("set it, since none of the tokenizer's special tokens %q is known to close documents", names)
	}
	return nil, fmt.Errorf("set it to one of %q, since each could close documents", usual)
}
