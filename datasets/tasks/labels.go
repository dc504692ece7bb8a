package tasks

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Labels are the names of classes; the index of a name is its id.
type Labels struct {
	Names []string
	ids   map[string]int32
}

// maxClasses is far above any task of one class for each text; more means that another field was taken for the label.
const maxClasses = 1 << 12

// FindLabels gathers the names of classes in the sets, all examples of which must have one. They are sorted: as numbers if all are whole
// numbers, else by their bytes. So ids do not depend on the order of examples. A task has at least two classes.
func FindLabels(sets ...[]Example) (*Labels, error) {
	seen := map[string]bool{}
	for _, set := range sets {
		for _, e := range set {
			if seen[e.Label] = true; len(seen) > maxClasses {
				return nil, fmt.Errorf("find labels: there are more than %d: is it the right field?", maxClasses)
			}
		}
	}
	return sortLabels(seen)
}

// sortLabels numbers the names that were seen.
func sortLabels(seen map[string]bool) (*Labels, error) {
	names := make([]string, 0, len(seen))
	numbers := true
	for name := range seen {
		names = append(names, name)
		_, err := strconv.ParseInt(name, 10, 64)
		numbers = numbers && err == nil
	}
	slices.SortFunc(names, func(a, b string) int {
		if numbers {
			x, _ := strconv.ParseInt(a, 10, 64)
			y, _ := strconv.ParseInt(b, 10, 64)
			return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
		}
		return cmp.Compare(a, b)
	})
	if len(names) < 2 {
		return nil, fmt.Errorf("find labels: the examples have the labels %q: a task needs two or more", names)
	}
	return NewLabels(names)
}

// NewLabels makes labels of names in the order of their ids, such as those of a model.
func NewLabels(names []string) (*Labels, error) {
	l := &Labels{Names: slices.Clone(names), ids: make(map[string]int32, len(names))}
	for i, name := range names {
		if _, twice := l.ids[name]; twice {
			return nil, fmt.Errorf("number labels: %q is there twice", name)
		}
		l.ids[name] = int32(i)
	}
	return l, nil
}

// defaultPrefix begins the names of classes in models that were given none: the number behind it is the id.
const defaultPrefix = "LABEL_"

// ID is the id of a label by its name. A label that is a number also finds the class LABEL_number.
func (l *Labels) ID(name string) (int32, bool) {
	if id, ok := l.ids[name]; ok {
		return id, true
	}
	id, ok := l.ids[defaultPrefix+name]
	return id, ok
}

// Targets are the ids of the labels of a set. A label out of range is an error that names the line of file.
func (l *Labels) Targets(file string, set []Example) ([]int32, error) {
	targets := make([]int32, len(set))
	for i, e := range set {
		id, ok := l.ID(e.Label)
		if !ok {
			return nil, &Error{File: file, Line: e.Line, Err: fmt.Errorf("the label %q is none of those of the model: %s", e.Label, l.short())}
		}
		targets[i] = id
	}
	return targets, nil
}

// short lists the names, or the first of them.
func (l *Labels) short() string {
	const most = 20
	if len(l.Names) <= most {
		return strings.Join(l.Names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(l.Names[:most], ", "), len(l.Names)-most)
}
