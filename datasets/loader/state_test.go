package loader

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

func TestResumeAtEveryBatch(t *testing.T) {
	s := newMemory(700)
	o := Options{Objective: MLM, SequenceTokens: 16, BatchSequences: 4, Seed: 1}
	run := open(t, s, o)
	const count = 40 // more than 3 epochs
	var states []State
	var want []schemas.Minibatch
	for range count {
		states = append(states, run.State())
		want = append(want, read(t, run, 1)...)
	}
	for i, state := range states {
		saved, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		var loaded State
		if err := json.Unmarshal(saved, &loaded); err != nil {
			t.Fatal(err)
		}
		resumed := open(t, s, o)
		if err := resumed.Restore(loaded); err != nil {
			t.Fatal(err)
		}
		if got := read(t, resumed, count-i); !reflect.DeepEqual(got, want[i:]) {
			t.Fatalf("resumed at batch %d, the batches differ", i)
		}
	}
	// Back and forth in one loader.
	for _, i := range []int{30, 2, 39, 0, 17} {
		if err := run.SeekBatch(int64(i)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, run, 1); !reflect.DeepEqual(got, want[i:i+1]) {
			t.Fatalf("after SeekBatch(%d) the batch differs", i)
		}
	}
}

func TestRestoreSaysWhatDiffers(t *testing.T) {
	s := newMemory(700)
	o := Options{Objective: MLM, SequenceTokens: 16, BatchSequences: 4, Seed: 1, Template: testTemplate}
	state := open(t, s, o).State()
	for want, change := range map[string]func(*Options){
		"seed is 1 there and 2 here":                func(o *Options) { o.Seed = 2 },
		"sequence tokens is 16 there and 32 here":   func(o *Options) { o.SequenceTokens = 32 },
		"batch sequences is 4 there and 8 here":     func(o *Options) { o.BatchSequences = 8 },
		"split is train there and all here":         func(o *Options) { o.Split = All },
		"boundaries is false there and true here":   func(o *Options) { o.Boundaries = true },
		"mask rate is 150000 there and 300000 here": func(o *Options) { o.MaskRatePPM = 300_000 },
		"mask rate is 150000 there and absent here": func(o *Options) { o.Objective = Causal },
		"word starts is none there and ":            func(o *Options) { o.WordStart = func(id uint32) bool { return id > 9 } },
	} {
		other := o
		change(&other)
		l := open(t, s, other)
		err := l.Restore(state)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		if l.Fingerprint() == open(t, s, o).Fingerprint() {
			t.Errorf("%s: the fingerprint is the same", want)
		}
	}
	data := testIdentity(s)
	data.fingerprint = "g"
	l, err := newLoader(s, nil, data, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Restore(state); err == nil || !strings.Contains(err.Error(), "dataset is f there and g here") {
		t.Errorf("another dataset gave error %v", err)
	}
	// What decides about no batch may change.
	o.World, o.Rank = 4, 3
	if err := open(t, s, o).Restore(state); err != nil {
		t.Error(err)
	}
	o.World, o.Rank = 0, 0
	for _, step := range []int64{-1, math.MaxInt64, math.MaxInt64 / 4} {
		if err := open(t, s, o).SeekBatch(step); err == nil {
			t.Errorf("SeekBatch(%d): no error", step)
		}
	}
	far := open(t, s, o)
	if err := far.SeekBatch(math.MaxInt64/4 - 1); err != nil {
		t.Fatal(err)
	}
	read(t, far, 1)
	if err := far.Next(t.Context(), new(schemas.Minibatch)); err == nil {
		t.Error("a batch behind the last number was given")
	}
}
