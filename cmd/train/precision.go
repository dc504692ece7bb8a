package main

import (
	"github.com/spf13/pflag"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// precision is the flag of that name, which is a setting of a run.
type precision struct{ kernels.Precision }

func (p *precision) flag(f *pflag.FlagSet) {
	f.Var(p, "precision", "form of what is multiplied: f32, or bf16, which is faster on processors that know it, and coarser; weights and sums stay f32")
}

// Set and Type make it a [pflag.Value].
func (p *precision) Set(name string) (err error) {
	p.Precision, err = kernels.ParsePrecision(name)
	return err
}

func (p *precision) Type() string { return "string" }
