// Package scan finds where words begin, 64 bytes of text at a time. A block of text becomes one bit for each byte and class of character ([masks]); the
// beginnings of words are then a matter of shifts, ands and ors on these, with a few bits carried from block to block. The classes of ASCII come
// from instructions that look up many bytes at once, where the processor has them; other characters are looked up one by one.
//
// [Cutter.Cut] gives the borders of a [State]'s text a batch at a time. What a cutter finds is what its regular expression matches, for any bytes:
// the tests hold it equal to a cutter that looks at one character after another.
package scan
