package onig

import (
	"bytes"
	"unicode/utf8"
)

// Search looks for matches of a pattern in one text, front to back, by backtracking. It is for one goroutine, and the text must not change. A pattern that
// tries too much in a text, at first without memory, begins to remember what failed: from then on no choice is tried twice in one place, so that the time is
// bounded by the length of the text times the size of the pattern.
type Search struct {
	regex  *Regex
	text   []byte
	frames []frame
	from   int // where this search for a match began
	guard  int // index of the innermost open look-around or atomic group in frames, or -1
	steps  int // left before it begins to remember
	memory [2]pagedBits
	log    []uint64 // choices that are remembered as failed and not yet known to have failed
	runEnd runEnd
}

// frame is where to go on when what is tried fails.
type frame struct {
	kind   frameKind
	pc     int32
	pos    int
	low    int // of a run: the fewest; of a guard: the guard outside of it
	logged int // length of the log
}

type frameKind uint8

const (
	frameChoice  frameKind = iota
	frameRun               // one character fewer each time
	frameGuard             // an atomic group, or a look-around that must hold: fails
	frameNegated           // a look-around that must not hold: goes on
)

// runEnd remembers the last run that was skipped whole.
type runEnd struct {
	pc         int
	start, end int
}

const (
	failed    = iota
	succeeded // inside a look-around, whose body holds whenever this is reached
)

// Search begins a search in text.
func (r *Regex) Search(text []byte) *Search {
	const free, perByte = 4096, 64
	return &Search{regex: r, text: text, guard: -1, steps: free + perByte*len(text), runEnd: runEnd{pc: -1}}
}

// Remember makes s remember from now on what failed, as it otherwise does only where a pattern tries much. It finds the same.
func (s *Search) Remember() { s.steps = 0 }

// Find returns the first match at from or behind it; ok is false where there is none. Of the matches at one place it is the one that the order of the
// pattern prefers, which need not be the longest. from must not be inside a character. Looking back, a pattern sees what lies before from.
func (s *Search) Find(from int) (start, end int, ok bool) {
	s.begin(from)
	for start = from; start <= len(s.text); {
		if s.regex.empty || start < len(s.text) && s.regex.first[s.text[start]] {
			if end, ok := s.match(start); ok {
				return start, end, true
			}
		}
		if start == len(s.text) {
			break
		}
		_, size := utf8.DecodeRune(s.text[start:])
		start += size
	}
	return 0, 0, false
}

// match tries one place.
func (s *Search) match(start int) (end int, ok bool) {
	s.frames, s.guard, s.log = s.frames[:0], -1, s.log[:0]
	pc, pos := 0, start
	for {
		in := &s.regex.prog[pc]
		s.steps--
		good := true
		switch in.op {
		case opMatch:
			s.forget(0)
			return pos, true
		case opSet:
			var size int
			if size = s.at(in.set, pos); size == 0 {
				good = false
			}
			pos += size
			pc++
		case opRun:
			pc, pos, good = s.run(in, pc, pos)
		case opRunAll:
			pos = s.wholeRun(in.set, pc, pos)
			pc++
		case opSplit:
			pc, good = s.split(in, pc, pos)
		case opSame:
			size := s.same(pos)
			good = size > 0
			pos += size
			pc++
		case opJump:
			pc = int(in.to)
		case opAssert:
			good = s.holds(in.what, pos)
			pc++
		case opLook, opAtomic:
			pc, pos, good = s.open(in, pc, pos)
		case opLookEnd, opAtomicEnd:
			pc, pos, good = s.shut(in, pc, pos)
		}
		if !good {
			if pc, pos, ok = s.back(); !ok {
				return 0, false
			}
		}
	}
}

// at returns the length of the character at pos if set has it, or 0.
func (s *Search) at(set *charSet, pos int) int {
	if pos >= len(s.text) {
		return 0
	}
	r, size := rune(s.text[pos]), 1
	if r >= utf8.RuneSelf {
		r, size = utf8.DecodeRune(s.text[pos:])
	}
	if !set.has(r) {
		return 0
	}
	return size
}

// same returns the length of the character before pos if it stands at pos once more, or 0.
func (s *Search) same(pos int) int {
	_, size := utf8.DecodeLastRune(s.text[:pos])
	if !bytes.HasPrefix(s.text[pos:], s.text[pos-size:pos]) {
		return 0
	}
	return size
}

func (s *Search) push(f frame) {
	f.logged = len(s.log)
	s.frames = append(s.frames, f)
}

// run takes characters of a set: all at once, or one by one where each place must be remembered.
func (s *Search) run(in *instr, pc, pos int) (int, int, bool) {
	if s.steps > 0 {
		end := pos
		for {
			size := s.at(in.set, end)
			if size == 0 {
				break
			}
			end += size
		}
		s.steps -= end - pos
		if end > pos {
			s.push(frame{kind: frameRun, pc: int32(pc + 1), pos: end, low: pos})
		}
		return pc + 1, end, true
	}
	if to, known, good := s.recall(in, pos); known {
		return to, pos, good
	}
	size := s.at(in.set, pos)
	if size == 0 {
		return pc + 1, pos, true
	}
	s.push(frame{kind: frameChoice, pc: int32(pc + 1), pos: pos})
	return pc, pos + size, true
}

// wholeRun returns where a run of a set ends.
func (s *Search) wholeRun(set *charSet, pc, pos int) int {
	if s.runEnd.pc == pc && s.runEnd.start <= pos && pos <= s.runEnd.end {
		return s.runEnd.end
	}
	end := pos
	for {
		size := s.at(set, end)
		if size == 0 {
			break
		}
		end += size
	}
	s.steps -= end - pos
	s.runEnd = runEnd{pc, pos, end}
	return end
}

func (s *Search) split(in *instr, pc, pos int) (int, bool) {
	if s.steps <= 0 {
		if to, known, good := s.recall(in, pos); known {
			return to, good
		}
	}
	now, later := pc+1, int(in.to)
	if in.other {
		now, later = later, now
	}
	s.push(frame{kind: frameChoice, pc: int32(later), pos: pos})
	return now, true
}

// beyond is the place under which choices at the beginning of the search are remembered where the pattern has \G, which holds there now and not when
// another search comes by.
func (s *Search) beyond() int { return len(s.text) + 1 }

// begin starts a search for a match.
func (s *Search) begin(from int) {
	s.from = from
	if !s.regex.anchor || s.steps > 0 {
		return
	}
	first := uint64(s.beyond()) * uint64(s.regex.choice)
	for key := first; key < first+uint64(s.regex.choice); key++ {
		s.memory[failed].set(key, false)
		s.memory[succeeded].set(key, false)
	}
}

// recall tells what is known of a choice at pos. Where nothing is, it is held to have failed until it turns out otherwise.
func (s *Search) recall(in *instr, pos int) (to int, known, good bool) {
	if s.regex.anchor && pos == s.from {
		pos = s.beyond()
	}
	key := uint64(pos)*uint64(s.regex.choice) + uint64(in.choice)
	if s.memory[failed].has(key) {
		return 0, true, false
	}
	if s.memory[succeeded].has(key) {
		return int(in.lookEnd), true, true
	}
	s.memory[failed].set(key, true)
	s.log = append(s.log, key)
	return 0, false, true
}

// forget takes back that the choices logged from n on have failed.
func (s *Search) forget(n int) {
	for _, key := range s.log[n:] {
		s.memory[failed].set(key, false)
	}
	s.log = s.log[:n]
}

// open enters a look-around or an atomic group.
func (s *Search) open(in *instr, pc, pos int) (int, int, bool) {
	f := frame{kind: frameGuard, pc: int32(pc), pos: pos, low: s.guard}
	if in.other {
		f.kind = frameNegated
	}
	at := pos
	for range in.back {
		if at == 0 { // nothing to look at
			return int(in.to), pos, in.other
		}
		_, size := utf8.DecodeLastRune(s.text[:at])
		at -= size
	}
	s.push(f)
	s.guard = len(s.frames) - 1
	return pc + 1, at, true
}

// shut leaves a look-around or an atomic group whose body has matched, and with it what else the body might try.
func (s *Search) shut(in *instr, pc, pos int) (int, int, bool) {
	f := s.frames[s.guard]
	if in.op == opLookEnd {
		for _, key := range s.log[f.logged:] {
			s.memory[succeeded].set(key, true)
		}
		pos = f.pos
	}
	s.forget(f.logged)
	s.frames, s.guard = s.frames[:s.guard], f.low
	return pc + 1, pos, f.kind != frameNegated
}

// back returns to the last choice.
func (s *Search) back() (pc, pos int, ok bool) {
	for len(s.frames) > 0 {
		s.steps--
		top := len(s.frames) - 1
		f := &s.frames[top]
		s.log = s.log[:f.logged]
		pc, pos := int(f.pc), f.pos
		switch f.kind {
		case frameRun:
			_, size := utf8.DecodeLastRune(s.text[:f.pos])
			if f.pos -= size; f.pos == f.low {
				s.frames = s.frames[:top]
			}
			return pc, pos - size, true
		case frameChoice:
			s.frames = s.frames[:top]
			return pc, pos, true
		}
		s.guard = f.low
		s.frames = s.frames[:top]
		if f.kind == frameNegated {
			return int(s.regex.prog[pc].to), pos, true
		}
	}
	return 0, 0, false
}

// holds tells whether an assertion holds at pos.
func (s *Search) holds(what assertion, pos int) bool {
	switch what {
	case lineStart:
		return pos == 0 || s.text[pos-1] == '\n' && pos < len(s.text)
	case lineEnd:
		return pos == len(s.text) || s.text[pos] == '\n'
	case textStart:
		return pos == 0
	case textEnd:
		return pos == len(s.text)
	case searchStart:
		return pos == s.from
	case textEndOrNewline:
		return pos == len(s.text) || pos == len(s.text)-1 && s.text[pos] == '\n'
	}
	words := wordChars()
	before, after := false, false
	if pos > 0 {
		r, _ := utf8.DecodeLastRune(s.text[:pos])
		before = words.has(r)
	}
	if pos < len(s.text) {
		r, _ := utf8.DecodeRune(s.text[pos:])
		after = words.has(r)
	}
	return (before != after) == (what == wordEdge)
}

// pagedBits is a large set of numbers that is mostly empty.
type pagedBits struct{ pages [][]uint64 }

const pageBits = 1 << 14

func (b *pagedBits) has(i uint64) bool {
	page := i / pageBits
	return page < uint64(len(b.pages)) && b.pages[page] != nil && b.pages[page][i%pageBits/64]>>(i%64)&1 != 0
}

func (b *pagedBits) set(i uint64, on bool) {
	page := i / pageBits
	for uint64(len(b.pages)) <= page {
		b.pages = append(b.pages, nil)
	}
	if b.pages[page] == nil {
		b.pages[page] = make([]uint64, pageBits/64)
	}
	if bit := uint64(1) << (i % 64); on {
		b.pages[page][i%pageBits/64] |= bit
	} else {
		b.pages[page][i%pageBits/64] &^= bit
	}
}
