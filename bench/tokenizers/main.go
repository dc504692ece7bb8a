// Command tokenizers is shardmill's side of `make bench-tokenizers`: it does what run.py beside it asks for and says how long that took. Requests and
// answers are lines of JSON, and peers.py answers the same ones for other tokenizers. It calls package tokenizers as any program would: one Encoder for
// each goroutine, AppendIDs for each document.
//
// A text is a file of documents with a NUL between them.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shardmill/shardmill/tokenizers"
)

const cacheBytes = 32 << 20 // of each encoder: what its documentation advises for speed; the caches of others have no bound

// request is one thing to do. Op is load, encode, offsets, encodings, decode, digest, train or memory.
type request struct {
	Op        string
	Tokenizer string  // path of a tokenizer.json
	Text      string  // path of a text
	Threads   int     // goroutines
	Seconds   float64 // repeats the work until so much time has passed
	Runes     bool    // offsets in code points, not bytes
	Parallel  bool    // all threads at one document after another
	VocabSize int
}

// answer gives times for one pass.
type answer struct {
	Wall   float64 `json:"wall,omitempty"` // seconds
	CPU    float64 `json:"cpu,omitempty"`  // seconds of all threads
	Bytes  int     `json:"bytes,omitempty"`
	Tokens int     `json:"tokens,omitempty"`
	Digest string  `json:"digest,omitempty"`
	Memory int     `json:"memory,omitempty"` // resident bytes
	Error  string  `json:"error,omitempty"`
}

func main() {
	w := &worker{tokenizers: map[string]*loaded{}, texts: map[string][][]byte{}}
	if err := w.serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// worker keeps what it has loaded, so that rounds repeat nothing but what is measured.
type worker struct {
	tokenizers map[string]*loaded
	texts      map[string][][]byte
}

type loaded struct {
	tokenizer       *tokenizers.Tokenizer
	encoders        []*encoder // one for each goroutine
	parallelEncoder *tokenizers.ParallelEncoder
	ids             []uint32
}

type encoder struct {
	*tokenizers.Encoder
	ids     []uint32
	offsets [][2]uint32
	tokens  int
}

func (w *worker) serve(in io.Reader, out io.Writer) error {
	lines, results := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var q request
		err := json.Unmarshal(lines.Bytes(), &q)
		var a answer
		if err == nil {
			a, err = w.do(q)
		}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := results.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (w *worker) do(q request) (answer, error) {
	if q.Op == "memory" {
		resident, err := residentBytes()
		return answer{Memory: resident}, err
	}
	docs, err := w.text(q.Text)
	if err != nil {
		return answer{}, err
	}
	a := answer{}
	for _, d := range docs {
		a.Bytes += len(d)
	}
	switch q.Op {
	case "load":
		err = a.time(q.Seconds, func() error {
			_, err := tokenizers.LoadFile(q.Tokenizer)
			return err
		})
		return a, err
	case "train":
		err = a.time(q.Seconds, func() error {
			texts := func(yield func([]byte, error) bool) {
				for _, d := range docs {
					if !yield(d, nil) {
						return
					}
				}
			}
			tok, err := tokenizers.Train(tokenizers.TrainOptions{Model: tokenizers.TrainBPE, VocabSize: q.VocabSize}, texts)
			if err == nil {
				a.Tokens = tok.VocabSize()
			}
			return err
		})
		return a, err
	}
	l, err := w.load(q.Tokenizer, max(1, q.Threads))
	if err != nil {
		return a, err
	}
	switch q.Op {
	case "encode":
		err = a.time(q.Seconds, func() (err error) {
			if a.Tokens, err = 0, nil; q.Parallel {
				a.Tokens, err = l.parallel(docs, q.Threads)
			} else {
				a.Tokens = l.encode(docs, q.Threads)
			}
			return err
		})
	case "offsets":
		err = a.time(q.Seconds, func() (err error) {
			a.Tokens, err = l.encoders[0].appendOffsets(docs, q.Runes)
			return err
		})
	case "encodings":
		err = a.time(q.Seconds, func() (err error) {
			a.Tokens, err = l.encodings(docs)
			return err
		})
	case "decode":
		err = l.decode(&a, docs, q.Seconds)
	case "digest":
		a.Digest = l.digest(docs)
	default:
		err = fmt.Errorf("%q is not known", q.Op)
	}
	return a, err
}

// time repeats pass until seconds have passed, and notes what one took.
func (a *answer) time(seconds float64, pass func() error) error {
	start, cpu := time.Now(), cpuSeconds()
	for n := 1.0; ; n++ {
		if err := pass(); err != nil {
			return err
		}
		if wall := time.Since(start).Seconds(); wall >= seconds {
			a.Wall, a.CPU = wall/n, (cpuSeconds()-cpu)/n
			return nil
		}
	}
}

// load returns a tokenizer with an encoder for each of so many goroutines.
func (w *worker) load(path string, threads int) (*loaded, error) {
	l := w.tokenizers[path]
	if l == nil {
		tok, err := tokenizers.LoadFile(path)
		if err != nil {
			return nil, err
		}
		l = &loaded{tokenizer: tok}
		w.tokenizers[path] = l
	}
	for len(l.encoders) < threads {
		l.encoders = append(l.encoders, &encoder{Encoder: l.tokenizer.NewEncoder(cacheBytes)})
	}
	return l, nil
}

func (w *worker) text(path string) ([][]byte, error) {
	if path == "" {
		return nil, nil
	}
	docs, ok := w.texts[path]
	if !ok {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		docs = bytes.Split(data, []byte{0})
		w.texts[path] = docs
	}
	return docs, nil
}

// encode returns the number of ids. Goroutines take one document after another.
func (l *loaded) encode(docs [][]byte, threads int) int {
	var next atomic.Int64
	var all sync.WaitGroup
	for _, e := range l.encoders[:max(1, threads)] {
		all.Go(func() {
			e.tokens = 0
			for i := int(next.Add(1)) - 1; i < len(docs); i = int(next.Add(1)) - 1 {
				e.ids = e.AppendIDs(e.ids[:0], docs[i])
				e.tokens += len(e.ids)
			}
		})
	}
	all.Wait()
	tokens := 0
	for _, e := range l.encoders[:max(1, threads)] {
		tokens += e.tokens
	}
	return tokens
}

// parallel encodes one document after another on all threads.
func (l *loaded) parallel(docs [][]byte, threads int) (tokens int, err error) {
	if l.parallelEncoder == nil {
		l.parallelEncoder = l.tokenizer.NewParallelEncoder(threads, cacheBytes)
	}
	for _, d := range docs {
		if l.ids, err = l.parallelEncoder.AppendIDs(l.ids[:0], d); err != nil {
			return 0, err
		}
		tokens += len(l.ids)
	}
	return tokens, nil
}

func (e *encoder) appendOffsets(docs [][]byte, runes bool) (tokens int, err error) {
	unit := tokenizers.Bytes
	if runes {
		unit = tokenizers.CodePoints
	}
	for _, d := range docs {
		if e.ids, e.offsets, err = e.AppendOffsets(e.ids[:0], e.offsets[:0], d, unit); err != nil {
			return 0, err
		}
		tokens += len(e.ids)
	}
	return tokens, nil
}

// encodings makes everything that Hugging Face calls an encoding.
func (l *loaded) encodings(docs [][]byte) (tokens int, err error) {
	for _, d := range docs {
		e, err := l.tokenizer.Encode(string(d), tokenizers.EncodeOptions{AddSpecial: true})
		if err != nil {
			return 0, err
		}
		tokens += len(e.IDs)
	}
	return tokens, nil
}

func (l *loaded) decode(a *answer, docs [][]byte, seconds float64) error {
	var ids [][]uint32
	var text []byte
	for _, d := range docs {
		ids = append(ids, l.encoders[0].AppendIDs(nil, d))
		a.Tokens += len(ids[len(ids)-1])
	}
	return a.time(seconds, func() error {
		a.Bytes = 0
		for _, doc := range ids {
			text = l.tokenizer.AppendText(text[:0], doc, false)
			a.Bytes += len(text)
		}
		return nil
	})
}

// digest is over the ids of each document, and the length of each behind them.
func (l *loaded) digest(docs [][]byte) string {
	h := sha256.New()
	var ids []uint32
	for _, d := range docs {
		ids = l.encoders[0].AppendIDs(ids[:0], d)
		raw := make([]byte, 0, 4*len(ids)+4)
		for _, id := range append(ids, uint32(len(ids))) {
			raw = binary.LittleEndian.AppendUint32(raw, id)
		}
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// residentBytes reads what Linux says of this process.
func residentBytes() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmRSS")
}
