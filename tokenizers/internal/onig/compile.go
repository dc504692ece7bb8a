package onig

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Regex is a compiled pattern. It is read-only and safe for any number of goroutines.
type Regex struct {
	prog   []instr
	choice int       // number of instructions that remember where they failed
	first  [256]bool // bytes that a match may begin with
	empty  bool      // a match may be empty, so that first says nothing
	anchor bool      // it has \G
}

// MatchesEmpty tells whether a match may be empty.
func (r *Regex) MatchesEmpty() bool { return r.empty }

type opcode uint8

const (
	opMatch     opcode = iota
	opSet              // one character of set
	opRun              // as many characters of set as there are, fewer if need be
	opRunAll           // as many characters of set as there are
	opSplit            // next first, then to; the other way around with other
	opJump             // to
	opAssert           // what
	opLook             // the body that ends before to holds here, or doesn't (other); it begins back characters before
	opLookEnd          // the body holds
	opAtomic           // what matches up to opAtomicEnd is kept as it matched first
	opAtomicEnd        //
	opSame             // the character before once more
)

type instr struct {
	op      opcode
	other   bool
	what    assertion
	to      int32
	back    int32
	choice  int32 // number of this instruction among those that remember
	lookEnd int32 // opLookEnd of the innermost look-around that it is in, or -1
	set     *charSet
}

// lengths returns the number of characters of the shortest and longest match; the longest is -1 where there is no bound.
func lengths(n node) (shortest, longest int) {
	switch n := n.(type) {
	case setNode, sameNode:
		return 1, 1
	case catNode:
		for _, part := range n {
			lo, hi := lengths(part)
			shortest += lo
			if longest >= 0 && hi >= 0 {
				longest += hi
			} else {
				longest = -1
			}
		}
	case altNode:
		shortest, longest = lengths(n[0])
		for _, part := range n[1:] {
			lo, hi := lengths(part)
			shortest = min(shortest, lo)
			if longest >= 0 && hi >= 0 {
				longest = max(longest, hi)
			} else {
				longest = -1
			}
		}
	case atomicNode:
		return lengths(n.body)
	case repeatNode:
		lo, hi := lengths(n.body)
		shortest = min(lo*n.min, 1<<30)
		if longest = -1; n.max >= 0 && hi >= 0 {
			longest = min(hi*n.max, 1<<30)
		}
	}
	return shortest, longest
}

type compiler struct {
	Regex
	lookEnds []int // of open look-arounds, the instructions to be told where their end is
	looks    int
	err      error
}

// Compile compiles a pattern. An error names the pattern, and what in it is wrong or not supported. Patterns are bounded in size, nesting and the number of
// their steps, so that no pattern costs much to compile.
func Compile(pattern string) (*Regex, error) {
	n, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	c := &compiler{}
	c.empty = c.firstBytes(n)
	c.node(n)
	c.emit(instr{op: opMatch})
	if c.err != nil {
		return nil, fmt.Errorf("pattern %s: %w", shortened(pattern), c.err)
	}
	return &c.Regex, nil
}

// firstBytes adds the bytes that a match of n may begin with, and tells whether it may be empty.
func (c *compiler) firstBytes(n node) bool {
	switch n := n.(type) {
	case setNode:
		wide := len(n.set.ranges) > 0 && n.set.ranges[len(n.set.ranges)-1][1] >= utf8.RuneSelf
		for b := range 256 {
			c.first[b] = c.first[b] || b < utf8.RuneSelf && n.set.has(rune(b)) || b >= utf8.RuneSelf && wide
		}
		return false
	case catNode:
		for _, part := range n {
			if !c.firstBytes(part) {
				return false
			}
		}
		return true
	case altNode:
		empty := false
		for _, part := range n {
			empty = c.firstBytes(part) || empty
		}
		return empty
	case atomicNode:
		return c.firstBytes(n.body)
	case repeatNode:
		return c.firstBytes(n.body) || n.min == 0
	}
	return true
}

func (c *compiler) emit(in instr) int {
	if len(c.prog) >= maxInstrs {
		if c.err == nil {
			c.err = fmt.Errorf("has more than %d steps", maxInstrs)
		}
		return 0
	}
	if in.lookEnd = -1; c.looks > 0 {
		c.lookEnds = append(c.lookEnds, len(c.prog))
	}
	if in.op == opRun || in.op == opSplit {
		in.choice = int32(c.choice)
		c.choice++
	}
	c.prog = append(c.prog, in)
	return len(c.prog) - 1
}

func (c *compiler) here() int32 { return int32(len(c.prog)) }

func (c *compiler) node(n node) {
	if c.err != nil {
		return
	}
	switch n := n.(type) {
	case setNode:
		c.emit(instr{op: opSet, set: &n.set})
	case catNode:
		for _, part := range n {
			c.node(part)
		}
	case altNode:
		var ends []int
		for i, part := range n {
			if i == len(n)-1 {
				c.node(part)
				break
			}
			split := c.emit(instr{op: opSplit})
			c.node(part)
			ends = append(ends, c.emit(instr{op: opJump}))
			c.prog[split].to = c.here()
		}
		for _, end := range ends {
			c.prog[end].to = c.here()
		}
	case sameNode:
		c.emit(instr{op: opSame})
	case assertNode:
		c.anchor = c.anchor || n.what == searchStart
		c.emit(instr{op: opAssert, what: n.what})
	case lookNode:
		c.look(n)
	case atomicNode:
		c.atomic(n.body)
	case repeatNode:
		c.repeat(n)
	}
}

func (c *compiler) look(n lookNode) {
	back := 0
	if n.behind {
		lo, hi := lengths(n.body)
		if lo != hi {
			c.err = errors.New("look-behind of several lengths is not supported")
			return
		}
		back = lo
	}
	look := c.emit(instr{op: opLook, other: n.negate, back: int32(back)})
	outer := c.lookEnds
	c.lookEnds = nil
	c.looks++
	c.node(n.body)
	inner := c.lookEnds
	c.looks--
	c.lookEnds = outer
	end := c.emit(instr{op: opLookEnd})
	for _, i := range inner {
		c.prog[i].lookEnd = int32(end)
	}
	c.prog[look].to = c.here()
}

// atomic compiles a body that keeps its first match. Its length must have a bound, since what it tries is not remembered.
func (c *compiler) atomic(body node) {
	if _, longest := lengths(body); longest < 0 {
		c.err = errors.New("an atomic or possessive group without a bound on its length is not supported")
		return
	}
	c.emit(instr{op: opAtomic})
	c.node(body)
	c.emit(instr{op: opAtomicEnd})
}

func (c *compiler) repeat(n repeatNode) {
	set, single := n.body.(setNode)
	if n.how == possessive && !(single && n.max < 0) {
		n.how = greedy
		c.atomic(n)
		return
	}
	for range n.min {
		if c.node(n.body); c.err != nil {
			return
		}
	}
	split := instr{op: opSplit, other: n.how == lazy}
	switch {
	case n.max < 0 && single && n.how == possessive:
		c.emit(instr{op: opRunAll, set: &set.set})
	case n.max < 0 && single && n.how == greedy:
		c.emit(instr{op: opRun, set: &set.set})
	case n.max < 0:
		top := c.emit(split)
		c.node(n.body)
		c.emit(instr{op: opJump, to: int32(top)})
		c.prog[top].to = c.here()
	default:
		var splits []int
		for range n.max - n.min {
			splits = append(splits, c.emit(split))
			if c.node(n.body); c.err != nil {
				return
			}
		}
		for _, i := range splits {
			c.prog[i].to = c.here()
		}
	}
}
