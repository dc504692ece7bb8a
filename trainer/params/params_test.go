package params

import (
	"slices"
	"strings"
	"testing"
)

func TestNewSetLaysOutWindows(t *testing.T) {
	s, err := NewSet([]Spec{
		{Name: "a", Shape: []int{3, 5}, Decay: true},
		{Name: "b", Shape: []int{16}},
		{Name: "c", Shape: []int{1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(s.Values), 16+16+16; got != want {
		t.Errorf("len(Values) = %d, want %d", got, want)
	}
	if got, want := s.Count(), 15+16+1; got != want {
		t.Errorf("Count() = %d, want %d", got, want)
	}
	for _, p := range s.List {
		if p.Offset%Align != 0 {
			t.Errorf("%s starts at %d, not a multiple of %d", p.Name, p.Offset, Align)
		}
		if s.Lookup(p.Name) != p {
			t.Errorf("Lookup(%q) is another parameter", p.Name)
		}
		for i := range p.Value {
			p.Value[i], p.Grad[i] = 1, 2
		}
		if cap(p.Value) != len(p.Value) || cap(p.Grad) != len(p.Grad) {
			t.Errorf("%s can be appended to into its neighbour", p.Name)
		}
	}
	if s.Values[15] != 0 || s.Grads[15] != 0 || s.Values[33] != 0 {
		t.Error("a window covers padding")
	}
	if s.Values[14] != 1 || s.Grads[16] != 2 || s.Values[32] != 1 {
		t.Error("a window is not where its offset says")
	}
	s.ZeroGrads()
	for i, g := range s.Grads {
		if g != 0 {
			t.Fatalf("Grads[%d] = %v after ZeroGrads", i, g)
		}
	}
	if s.Lookup("d") != nil {
		t.Error("Lookup of an unknown name is not nil")
	}
}

func TestNewSetRefuses(t *testing.T) {
	cases := []struct {
		name  string
		specs []Spec
		want  string
	}{
		{"no name", []Spec{{Shape: []int{1}}}, "no name"},
		{"twice", []Spec{{Name: "w", Shape: []int{1}}, {Name: "w", Shape: []int{2}}}, `"w" is used twice`},
		{"zero size", []Spec{{Name: "w", Shape: []int{4, 0}}}, "size 0"},
		{"negative size", []Spec{{Name: "w", Shape: []int{-4}}}, "size -4"},
		{"overflow", []Spec{{Name: "w", Shape: []int{1 << 30, 1 << 30, 1 << 30}}}, "more than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewSet(c.specs)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	s, err := NewSet([]Spec{
		{Name: "a", Shape: []int{2, 8}}, {Name: "b", Shape: []int{4, 8}}, {Name: "c", Shape: []int{3, 8}}, {Name: "d", Shape: []int{1, 8}}, {Name: "e", Shape: []int{8, 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		names []string
		want  []int // the shape, or nil
	}{
		{[]string{"a"}, []int{2, 8}},
		{[]string{"a", "b"}, []int{6, 8}},
		{[]string{"a", "b", "c"}, []int{9, 8}},
		{[]string{"b", "a"}, nil},      // not in order
		{[]string{"a", "c"}, nil},      // not adjacent
		{[]string{"c", "d"}, nil},      // padding between
		{[]string{"a", "b", "e"}, nil}, // another width
		{nil, nil},
	}
	for _, c := range cases {
		var list []*Param
		for _, n := range c.names {
			list = append(list, s.Lookup(n))
		}
		got := s.Join(list...)
		if (got == nil) != (c.want == nil) || got != nil && !slices.Equal(got.Shape, c.want) {
			t.Errorf("Join(%v) = %+v, want shape %v", c.names, got, c.want)
			continue
		}
		if got != nil {
			got.Value[len(got.Value)-1], got.Grad[0] = 5, 6
			last := list[len(list)-1]
			if last.Value[len(last.Value)-1] != 5 || list[0].Grad[0] != 6 {
				t.Errorf("Join(%v) is not a view", c.names)
			}
		}
	}
}
