package recipe

import (
	"fmt"
	"strings"

	"github.com/shardmill/shardmill/schemas"
)

// OtherRun is the error of a dataset folder that holds the work of another recipe, tokenizer or input.
type OtherRun struct {
	Difference string // what differs, such as "shards.tokens: 64M before, 5k now"
}

func (e *OtherRun) Error() string {
	return fmt.Sprintf("the folder holds a run of something else (%s): use another folder, or go back to what it was", e.Difference)
}

// shownDifferences bounds what a message lists.
const shownDifferences = 5

// difference names the parts in which two fingerprints differ, a few at most. For the recipe these are its fields, of the canonical forms.
func difference(before, now schemas.Fingerprint, oldRecipe, newRecipe string) string {
	old := map[string]string{}
	for _, p := range before.Parts {
		old[p.Name] = p.Digest
	}
	var names []string
	for _, p := range now.Parts {
		switch was, ok := old[p.Name]; {
		case !ok:
			names = append(names, p.Name+" (new)")
		case was == p.Digest:
		case p.Name == recipePart:
			names = append(names, changedFields(oldRecipe, newRecipe)...)
		default:
			names = append(names, p.Name+" (changed)")
		}
		delete(old, p.Name)
	}
	for _, p := range before.Parts {
		if _, gone := old[p.Name]; gone {
			names = append(names, p.Name+" (gone)")
		}
	}
	if extra := len(names) - shownDifferences; extra > 0 {
		names = append(names[:shownDifferences], fmt.Sprintf("and %d more", extra))
	}
	return strings.Join(names, ", ")
}

// changedFields says what differs between two recipes in their canonical form.
func changedFields(before, now string) []string {
	old, oldErr := parseJSON([]byte(before), recipePart)
	cur, curErr := parseJSON([]byte(now), recipePart)
	var fields []string
	if oldErr == nil && curErr == nil {
		fields = old.changes(cur, "")
	}
	if len(fields) == 0 {
		return []string{recipePart + " (changed)"} // that of another version, which was written in another way
	}
	return fields
}

// changes lists the fields in which n differs from what it is now.
func (n *node) changes(now *node, path string) (out []string) {
	below := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch {
	case n.kind == mapping && now.kind == mapping:
		for _, f := range n.fields {
			if other := now.field(f.name); other != nil {
				out = append(out, f.value.changes(other.value, below(f.name))...)
			} else {
				out = append(out, fmt.Sprintf("%s: %s before, nothing now", below(f.name), f.value.brief()))
			}
		}
		for _, f := range now.fields {
			if n.field(f.name) == nil {
				out = append(out, fmt.Sprintf("%s: nothing before, %s now", below(f.name), f.value.brief()))
			}
		}
	case n.kind == list && now.kind == list && n.names() == now.names():
		for i := range n.items {
			out = append(out, n.items[i].changes(now.items[i], below(fmt.Sprint(i)))...)
		}
	case n.brief() != now.brief():
		out = append(out, fmt.Sprintf("%s: %s before, %s now", path, n.brief(), now.brief()))
	}
	return out
}

// names are the items of a list without what is in them: stages can be compared by their options if they are the same stages.
func (n *node) names() string {
	var out strings.Builder
	for _, item := range n.items {
		out.WriteByte(' ')
		if len(item.fields) == 1 {
			out.WriteString(item.fields[0].name)
		}
	}
	return out.String()
}

// brief writes a value as short as a message wants it: stages by their names.
func (n *node) brief() string {
	var parts []string
	for _, item := range n.items {
		if len(item.fields) == 1 {
			parts = append(parts, item.fields[0].name)
		} else {
			parts = append(parts, item.brief())
		}
	}
	for _, f := range n.fields {
		parts = append(parts, f.name+": "+f.value.brief())
	}
	switch {
	case n.kind == null:
		return "nothing"
	case n.kind == list:
		return cut("[" + strings.Join(parts, ", ") + "]")
	case n.kind == mapping:
		return cut("{" + strings.Join(parts, ", ") + "}")
	case n.kind == text && n.text == "":
		return `""`
	}
	return cut(n.text)
}

// cut leaves the beginning of a long value.
func cut(text string) string {
	const shown = 100 // bytes
	if len(text) <= shown {
		return text
	}
	return strings.ToValidUTF8(text[:shown], "") + "…"
}
