package recipe

import (
	"fmt"
	"slices"

	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/stages"
)

// definitions are all the stages that a recipe can name. Tokenize is not among them: it ends each recipe.
var definitions = []definition{
	ordinary(stages.DefaultHTML(), func(h *stages.HTML, plan *schemas.Plan) {
		h.IsPage = func(file int32) bool { return plan.Files[file].Format == "html" }
	}),
	ordinary(stages.DefaultClean(), nil),
	ordinary(stages.Length{}, nil),
	{name: dedupName, defaults: func() options { return &stages.Dedup{} }},
}

// dedupName is the stage that cuts a run into passes.
var dedupName = stages.Dedup{}.Name()

// options is what all stages have.
type options interface {
	Name() string
	Version() int
	Reasons() []string
}

// definition says how a stage is made from a recipe.
type definition struct {
	name     string
	defaults func() options // a pointer to a struct with json tags
	stage    func(o options, plan *schemas.Plan, index uint16) pipeline.Stage
}

// ordinary defines a stage that works inside one pass. Bind, if not nil, gives it what it must know of the plan.
func ordinary[O interface {
	options
	NewWorker(index uint16, memory int64) (W, error)
}, W pipeline.Worker](defaults O, bind func(*O, *schemas.Plan)) definition {
	return definition{
		name:     defaults.Name(),
		defaults: func() options { o := defaults; return any(&o).(options) },
		stage: func(given options, plan *schemas.Plan, index uint16) pipeline.Stage {
			o := *any(given).(*O)
			if bind != nil {
				bind(&o, plan)
			}
			return pipeline.StageFunc(func(memory int64) (pipeline.Worker, error) { return o.NewWorker(index, memory) })
		},
	}
}

func findDefinition(name string) (definition, bool) {
	i := slices.IndexFunc(definitions, func(d definition) bool { return d.name == name })
	if i < 0 {
		return definition{}, false
	}
	return definitions[i], true
}

func stageNames() []string {
	var names []string
	for _, d := range definitions {
		names = append(names, d.name)
	}
	return names
}

// Stage is a stage with its options. In a recipe it is written {name: {option: value, …}}.
type Stage struct {
	name    string
	options options
}

// check makes a worker, since workers know what options can be.
func (s Stage) check() error {
	def, ok := findDefinition(s.name)
	if !ok {
		return fmt.Errorf("unknown stage %q", s.name)
	}
	if def.stage == nil {
		return nil
	}
	_, err := def.stage(s.options, &schemas.Plan{}, 0).NewWorker(0)
	return err
}

// MarshalJSON gives the notation of recipes, defaults included.
func (s Stage) MarshalJSON() ([]byte, error) {
	return marshal(map[string]options{s.name: s.options})
}
