package optim

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/shardmill/shardmill/trainer/params"
)

// Rates says which parameters learn slower than others, or not at all. The zero value lets all learn alike.
type Rates struct {
	// LayerDecay is what each layer's rate is of that of the layer above it: embeddings learn slowest, heads at the full rate, as in
	// Howard and Ruder 2018 and ELECTRA. 0 means 1.
	LayerDecay float64
	// Frozen lists parameters that stay as they are: by consecutive parts of their name between dots, such as "embeddings",
	// "encoder.layer.0" or "bert"; or "layers<N", the first N layers with the embeddings.
	Frozen []string
}

// Validate returns an error that names the field which makes no sense.
func (r Rates) Validate() error {
	if r.LayerDecay != 0 && !(r.LayerDecay > 0 && r.LayerDecay <= 1) {
		return fmt.Errorf("a decay of the learning rate from layer to layer of %v is outside 0..1", r.LayerDecay)
	}
	for _, f := range r.Frozen {
		if _, isCount, err := firstLayers(f); f == "" || isCount && err != nil {
			return fmt.Errorf("%q names no parameters to freeze: give a part of their name, or layers<N", f)
		}
	}
	return nil
}

// String is empty for the zero value.
func (r Rates) String() string {
	var parts []string
	if r.LayerDecay != 0 && r.LayerDecay != 1 {
		parts = append(parts, "layer decay "+strconv.FormatFloat(r.LayerDecay, 'g', -1, 64))
	}
	for _, f := range r.Frozen {
		parts = append(parts, "frozen "+f)
	}
	return strings.Join(parts, ", ")
}

// factors returns the factor of each parameter's rate. It fails if nothing is frozen by one of the names.
func (r Rates) factors(set *params.Set) ([]float64, error) {
	layers := 0
	for _, p := range set.List {
		layers = max(layers, depth(p.Name, 0))
	}
	all := make([]float64, len(set.List))
	used := make([]bool, len(r.Frozen))
	for i, p := range set.List {
		all[i] = 1
		at := depth(p.Name, layers+1)
		if r.LayerDecay != 0 {
			all[i] = math.Pow(r.LayerDecay, float64(layers+1-at))
		}
		for k, f := range r.Frozen {
			if frozenBy(f, p.Name, at) {
				all[i], used[k] = 0, true
			}
		}
	}
	for k, ok := range used {
		if !ok {
			return nil, fmt.Errorf("freeze %q: no parameter of the model is called so: the first is %s", r.Frozen[k], set.List[0].Name)
		}
	}
	return all, nil
}

var (
	layerNumber    = regexp.MustCompile(`(?:^|\.)(?:layer|layers|h)\.(\d{1,6})\.`)
	embeddingNames = regexp.MustCompile(`(?:^|\.)(?:embeddings|wte|wpe|embed_tokens)\.`)
)

// depth is 0 for embeddings, 1 for the first layer, 2 for the next, and head for what is neither.
func depth(name string, head int) int {
	if m := layerNumber.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[1]) // digits alone, and few
		return n + 1
	}
	if embeddingNames.MatchString(name) {
		return 0
	}
	return head
}

func frozenBy(f, name string, depth int) bool {
	if n, ok, err := firstLayers(f); ok {
		return err == nil && depth <= n
	}
	return strings.Contains("."+name+".", "."+strings.Trim(f, ".")+".")
}

// firstLayers reads layers<N.
func firstLayers(f string) (n int, ok bool, err error) {
	digits, ok := strings.CutPrefix(f, "layers<")
	if !ok {
		return 0, false, nil
	}
	n, err = strconv.Atoi(digits)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n, true, err
}
