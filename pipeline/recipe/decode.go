package recipe

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decoder fills structs from a tree. Fields are named by their json tags; what the tree leaves out keeps its value. It goes on after an
// error, so that a user sees all mistakes at once.
type decoder struct{ errs []error }

// maxErrors bounds the mistakes that are reported.
const maxErrors = 20

func decode(n *node, into any) error {
	var d decoder
	d.value(n, reflect.ValueOf(into).Elem(), "")
	if len(d.errs) > maxErrors {
		d.errs = append(d.errs[:maxErrors], fmt.Errorf("and %d more mistakes", len(d.errs)-maxErrors))
	}
	return errors.Join(d.errs...)
}

func (d *decoder) fail(at, path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	d.errs = append(d.errs, fmt.Errorf("%s: %s%s", at, path, fmt.Sprintf(format, args...)))
}

// scalar is a type with a notation of its own.
type scalar interface{ parse(text string) error }

func (d *decoder) value(n *node, v reflect.Value, path string) {
	if n.kind == null {
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *Stage:
		d.stage(n, p, path)
		return
	case scalar:
		if n.kind != number && n.kind != text {
			d.fail(n.at, path, "want a number, not %s", n.kind)
		} else if err := p.parse(n.text); err != nil {
			d.fail(n.at, path, "%v", err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if d.want(n, mapping, path) {
			d.mapping(n, v, path)
		}
	case reflect.Slice:
		if d.want(n, list, path) {
			v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
			for i, item := range n.items {
				d.value(item, v.Index(i), path+"."+strconv.Itoa(i))
			}
		}
	case reflect.String:
		if d.want(n, text, path) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if d.want(n, boolean, path) {
			v.SetBool(n.text == "true")
		}
	case reflect.Int64:
		var size Size
		if n.kind != number && n.kind != text {
			d.fail(n.at, path, "want a number, not %s", n.kind)
		} else if err := size.parse(n.text); err != nil {
			d.fail(n.at, path, "%v", err)
		}
		v.SetInt(int64(size))
	default:
		d.fail(n.at, path, "type %s has no notation", v.Type())
	}
}

func (d *decoder) want(n *node, want kind, path string) bool {
	if n.kind == want {
		return true
	}
	hint := ""
	switch {
	case want == text && (n.kind == number || n.kind == boolean):
		hint = fmt.Sprintf(": write %q", n.text)
	case want == list && n.kind == text:
		hint = fmt.Sprintf(": write [%s]", n.text)
	}
	d.fail(n.at, path, "want %s, not %s%s", want, n.kind, hint)
	return false
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	known := map[string]int{}
	var names []string
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name != "-" && name != "" {
			known[name] = i
			names = append(names, name)
		}
	}
	for _, f := range n.fields {
		i, ok := known[f.name]
		at := strings.TrimPrefix(path+"."+f.name, ".")
		if !ok {
			d.fail(f.at, at, "unknown field; %s", suggest(f.name, names))
			continue
		}
		d.value(f.value, v.Field(i), at)
	}
}

// stage decodes one item of Recipe.Stages: its name alone, or a mapping of its name to its options.
func (d *decoder) stage(n *node, s *Stage, path string) {
	name, at, options := n.text, n.at, &node{at: n.at}
	switch {
	case n.kind == mapping && len(n.fields) == 1:
		name, at, options = n.fields[0].name, n.fields[0].at, n.fields[0].value
	case n.kind != text:
		d.fail(n.at, path, "want one stage, such as {clean: {}}, not %s with %d fields", n.kind, len(n.fields))
		return
	}
	def, ok := findDefinition(name)
	if !ok {
		d.fail(at, path+"."+name, "unknown stage; %s", suggest(name, stageNames()))
		return
	}
	s.name, s.options = name, def.defaults()
	d.value(options, reflect.ValueOf(s.options).Elem(), path+"."+name)
}

// suggest names the nearest of the names known, or all of them if none is near.
func suggest(name string, known []string) string {
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if n := editDistance(name, k); n < distance || n == distance && best == "" {
			best, distance = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	if len(known) == 0 {
		return "there are none here"
	}
	known = slices.Clone(known)
	slices.Sort(known)
	return "known are " + strings.Join(known, ", ")
}

// maxNameBytes bounds the names compared, since the distance takes quadratic time.
const maxNameBytes = 64

// editDistance is the number of bytes to insert, delete, replace or swap with a neighbour to turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	a, b = a[:min(len(a), maxNameBytes)], b[:min(len(b), maxNameBytes)]
	var before, last, row [maxNameBytes + 1]int
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last = last, row
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
