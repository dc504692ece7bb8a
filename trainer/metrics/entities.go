package metrics

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Entity is a run of words of one type: those from First to Last, both included.
type Entity struct {
	Type        string
	First, Last int
}

// Entities finds the entities that tags mark: O or one of B-, I-, E-, S- before a type. It is lenient as CoNLL's script and seqeval's default are, so
// that IOB1, IOB2 and IOBES, and mistakes in them, all mean something: an entity also begins where the type changes, or with I- or E- behind O.
func Entities(tags []string) []Entity {
	var found []Entity
	first := 0
	before, beforeType := byte('O'), ""
	for i := 0; i <= len(tags); i++ {
		tag, kind := byte('O'), "_"
		if i < len(tags) {
			tag, kind = splitTag(tags[i])
		}
		if endsEntity(before, tag, beforeType, kind) {
			found = append(found, Entity{beforeType, first, i - 1})
		}
		if beginsEntity(before, tag, beforeType, kind) {
			first = i
		}
		before, beforeType = tag, kind
	}
	return found
}

// splitTag cuts B-PER into B and PER. A tag without a type has the type _.
func splitTag(tag string) (prefix byte, kind string) {
	if tag == "" {
		return 'O', "_"
	}
	prefix, kind = tag[0], tag[1:]
	if _, rest, ok := strings.Cut(kind, "-"); ok {
		kind = rest
	}
	if kind == "" {
		kind = "_"
	}
	return prefix, kind
}

func endsEntity(before, tag byte, beforeType, kind string) bool {
	switch before {
	case 'E', 'S':
		return true
	case 'B', 'I':
		if tag == 'B' || tag == 'S' || tag == 'O' {
			return true
		}
	}
	return before != 'O' && before != '.' && beforeType != kind
}

func beginsEntity(before, tag byte, beforeType, kind string) bool {
	switch tag {
	case 'B', 'S':
		return true
	case 'E', 'I':
		if before == 'E' || before == 'S' || before == 'O' {
			return true
		}
	}
	return tag != 'O' && tag != '.' && beforeType != kind
}

// EntityCounts compares the entities of predicted tags with those of true ones. An entity is right if type and both ends are.
type EntityCounts struct {
	types map[string]*hits
}

// hits are counts of one type.
type hits struct{ right, targets, predictions int64 }

// Add counts the entities of one sentence.
func (c *EntityCounts) Add(targets, predictions []string) error {
	if len(targets) != len(predictions) {
		return fmt.Errorf("count entities: %d tags with %d predictions", len(targets), len(predictions))
	}
	if c.types == nil {
		c.types = map[string]*hits{}
	}
	of := func(e Entity) *hits {
		h := c.types[e.Type]
		if h == nil {
			h = &hits{}
			c.types[e.Type] = h
		}
		return h
	}
	known := map[Entity]bool{}
	for _, e := range Entities(targets) {
		known[e] = true
		of(e).targets++
	}
	for _, e := range Entities(predictions) {
		h := of(e)
		h.predictions++
		if known[e] {
			h.right++
		}
	}
	return nil
}

// EntityScores are precision, recall and F1 of one type of entity, or of all. As in seqeval, a fraction with nothing below the line is 0.
type EntityScores struct {
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
	Targets   int64   `json:"targets"` // entities that there are
}

func (h *hits) scores() EntityScores {
	s := EntityScores{Precision: ratio(float64(h.right), float64(h.predictions)), Recall: ratio(float64(h.right), float64(h.targets)), Targets: h.targets}
	s.F1 = ratio(2*s.Precision*s.Recall, s.Precision+s.Recall)
	return s
}

// Micro takes all entities together.
func (c *EntityCounts) Micro() EntityScores {
	var all hits
	for _, h := range c.types {
		all.right += h.right
		all.targets += h.targets
		all.predictions += h.predictions
	}
	return all.scores()
}

// Types are the types of entities that were seen, in order.
func (c *EntityCounts) Types() []string { return slices.Sorted(maps.Keys(c.types)) }

// Of takes the entities of one type.
func (c *EntityCounts) Of(kind string) EntityScores {
	if h := c.types[kind]; h != nil {
		return h.scores()
	}
	return EntityScores{}
}
