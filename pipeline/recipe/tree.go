package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of a recipe file, so that no file makes the parser run for long or recurse deeply.
const (
	maxRecipeBytes = 1 << 20
	maxDepth       = 32
)

// node is a YAML value that knows where it stands.
type node struct {
	kind   kind
	text   string  // of a scalar
	at     string  // place for error messages: file:line:column, or the override that it comes from
	items  []*node // of a list
	fields []field // of a mapping, in the order of the file
}

type field struct {
	name  string
	at    string
	value *node
}

type kind uint8

const (
	null kind = iota
	text
	number
	boolean
	list
	mapping
)

func (k kind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a list", "a mapping"}[k]
}

func (n *node) field(name string) *field {
	for i := range n.fields {
		if n.fields[i].name == name {
			return &n.fields[i]
		}
	}
	return nil
}

// parseTree parses one YAML document. Anchors, aliases, tags and merges are not needed in a recipe and are refused. If place is not
// empty, it stands for the place of each node; else that is name:line:column.
func parseTree(data []byte, name, place string) (*node, error) {
	if len(data) > maxRecipeBytes {
		return nil, fmt.Errorf("%s: %d bytes, more than the %d that a recipe may have", name, len(data), maxRecipeBytes)
	}
	if err := checkNesting(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	file, err := parser.ParseBytes(data, 0)
	c := converter{name: name, place: place}
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			return nil, fmt.Errorf("%s: %s", c.position(at.GetToken().Position.Line, at.GetToken().Position.Column), at.GetMessage())
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	root := &node{at: c.position(1, 1)}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			return nil, fmt.Errorf("%s: a second YAML document: a recipe is one", c.at(doc.Body))
		}
		if root, err = c.node(doc.Body, 0); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// checkNesting refuses input that could make the parser recurse deeply: it does so for brackets and for list items on one line.
func checkNesting(data []byte) error {
	var brackets, dashes int
	for i, b := range data {
		switch {
		case b == '[' || b == '{' || b == '?':
			brackets++
		case b == ']' || b == '}':
			brackets = max(brackets-1, 0)
		case b == '\n':
			dashes = 0
		case b == '-' && i+1 < len(data) && data[i+1] == ' ':
			dashes++
		}
		if brackets > 1000 || dashes > 1000 {
			return errors.New("brackets or dashes nest too deeply for a recipe")
		}
	}
	return nil
}

// converter makes nodes out of the parser's.
type converter struct{ name, place string }

func (c *converter) position(line, column int) string {
	if c.place != "" {
		return c.place
	}
	return fmt.Sprintf("%s:%d:%d", c.name, line, column)
}

func (c *converter) at(n ast.Node) string {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return c.at(m.Values[0].Key)
	}
	t := n.GetToken()
	return c.position(t.Position.Line, t.Position.Column)
}

func (c *converter) node(n ast.Node, depth int) (*node, error) {
	at := c.at(n)
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: values nest more than %d deep", at, maxDepth)
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{kind: null, at: at}, nil
	case *ast.StringNode:
		return &node{kind: text, text: n.Value, at: at}, nil
	case *ast.LiteralNode:
		return &node{kind: text, text: n.Value.Value, at: at}, nil
	case *ast.BoolNode:
		return &node{kind: boolean, text: strconv.FormatBool(n.Value), at: at}, nil
	case *ast.IntegerNode:
		return &node{kind: number, text: n.Token.Value, at: at}, nil
	case *ast.FloatNode:
		return &node{kind: number, text: n.Token.Value, at: at}, nil
	case *ast.SequenceNode:
		out := &node{kind: list, at: at}
		for _, value := range n.Values {
			item, err := c.node(value, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	case *ast.MappingValueNode:
		return c.mapping(at, []*ast.MappingValueNode{n}, depth)
	case *ast.MappingNode:
		return c.mapping(at, n.Values, depth)
	}
	return nil, fmt.Errorf("%s: %s is not used in recipes: write the value itself", at, strings.ToLower(n.Type().String()))
}

func (c *converter) mapping(at string, values []*ast.MappingValueNode, depth int) (*node, error) {
	out := &node{kind: mapping, at: at}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return nil, fmt.Errorf("%s: %s can't be a name: names are text", c.at(v.Key), v.Key.GetToken().Value)
		}
		if out.field(key.Value) != nil {
			return nil, fmt.Errorf("%s: %s stands here twice", c.at(key), key.Value)
		}
		value, err := c.node(v.Value, depth+1)
		if err != nil {
			return nil, err
		}
		out.fields = append(out.fields, field{name: key.Value, at: c.at(key), value: value})
	}
	return out, nil
}

// parseJSON parses one JSON document. Name stands for the place of each node.
func parseJSON(data []byte, name string) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	root, err := jsonNode(d, name, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something stands behind it", name)
	}
	return root, nil
}

func jsonNode(d *json.Decoder, at string, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("values nest more than %d deep", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case nil:
		return &node{kind: null, at: at}, nil
	case string:
		return &node{kind: text, text: t, at: at}, nil
	case json.Number:
		return &node{kind: number, text: t.String(), at: at}, nil
	case bool:
		return &node{kind: boolean, text: strconv.FormatBool(t), at: at}, nil
	}
	out := &node{kind: list, at: at}
	if token == json.Delim('{') {
		out.kind = mapping
	}
	for d.More() {
		var name string
		if out.kind == mapping {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			if name = fmt.Sprint(key); out.field(name) != nil {
				return nil, fmt.Errorf("%s stands here twice", name)
			}
		}
		value, err := jsonNode(d, at, depth+1)
		if err != nil {
			return nil, err
		}
		if out.kind == mapping {
			out.fields = append(out.fields, field{name: name, at: at, value: value})
		} else {
			out.items = append(out.items, value)
		}
	}
	_, err = d.Token() // the closing bracket
	return out, err
}

// override replaces a value of the tree: "a.b=c" sets field b of field a. A step into a list is the number of an item from 0, or the name of
// its only field, as stages have it. What is not there is made.
func (n *node) override(assignment string) error {
	place := "--set " + assignment
	path, value, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		return fmt.Errorf("%s: want a.b=value", place)
	}
	tree, err := parseTree([]byte(value), place, place)
	if err != nil {
		return err
	}
	steps := strings.Split(path, ".")
	if len(steps) > maxDepth {
		return fmt.Errorf("%s: more than %d steps", place, maxDepth)
	}
	for i, step := range steps {
		if n, err = n.step(step, place); err != nil {
			return fmt.Errorf("%s: %s: %w", place, strings.Join(steps[:i+1], "."), err)
		}
	}
	*n = *tree
	return nil
}

// step goes to a part of n, which it makes if need be.
func (n *node) step(name, place string) (*node, error) {
	switch n.kind {
	case null:
		n.kind, n.at = mapping, place
	case mapping:
	case list:
		return n.item(name)
	default:
		return nil, fmt.Errorf("there is nothing inside of %s", n.kind)
	}
	if f := n.field(name); f != nil {
		return f.value, nil
	}
	value := &node{at: place}
	n.fields = append(n.fields, field{name: name, at: place, value: value})
	return value, nil
}

func (n *node) item(name string) (*node, error) {
	if i, err := strconv.Atoi(name); err == nil {
		if i < 0 || i >= len(n.items) {
			return nil, fmt.Errorf("the list has %d items, numbered from 0", len(n.items))
		}
		return n.items[i], nil
	}
	var found *node
	for _, item := range n.items {
		if len(item.fields) == 1 && item.fields[0].name == name {
			if found != nil {
				return nil, fmt.Errorf("the list has several items named %s: use their numbers, from 0", name)
			}
			found = item.fields[0].value
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no item of the list is named %s", name)
	}
	return found, nil
}
