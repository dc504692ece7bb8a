package model

import (
	"context"
	"errors"
	"fmt"
)

// Causal is the configuration of a model that predicts each token from those before it.
type Causal interface {
	Config
	// Ends are the ids that end a text; there may be none.
	Ends() []uint32
	// Start is the id that stands before a text, if there is one.
	Start() (id uint32, ok bool)
}

// Decode runs the tokens ids without dropout, which follow the first past tokens that earlier calls were given, and returns the logits after the
// last of them, valid until the next call. It keeps keys and values of every token, so a call costs no more than the new tokens; the
// result differs from that of Logits on the whole sequence by rounding. Past 0 begins another sequence. The weights must be those of the
// earlier calls.
func (n *Network) Decode(ctx context.Context, past int, ids []uint32) ([]float32, error) {
	if _, ok := n.config.(Causal); !ok {
		return nil, errors.New("decode: the model is not causal, it does not continue texts")
	}
	if past < 0 || past+len(ids) > n.limits.Positions {
		return nil, fmt.Errorf("decode: %d tokens after %d, the model takes %d", len(ids), past, n.limits.Positions)
	}
	b := &n.decoded
	b.IDs, b.Positions, b.CuSeqlens = ids, b.Positions[:0], append(b.CuSeqlens[:0], 0, int32(len(ids)))
	for i := range ids {
		b.Positions = append(b.Positions, int32(past+i))
	}
	if err := n.limits.check(b); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	n.load(b)
	n.batch.Past, n.batch.Rows = int32(past), append(n.batch.Rows, int32(len(ids)-1))
	p, err := n.program(decoding)
	if err != nil {
		return nil, err
	}
	if err := p.graph.Run(ctx, &n.batch); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return p.logits.Floats(), nil
}

// tokenID returns the id that a field of a configuration holds, if it is one.
func tokenID(field *int) (id uint32, ok bool) {
	if field == nil || *field < 0 || int64(*field) > maxVocabulary {
		return 0, false
	}
	return uint32(*field), true
}

// Ends are the ids that end a text: eos_token_id.
func (c *GPT2Config) Ends() []uint32 {
	if id, ok := tokenID(c.EOSTokenID); ok {
		return []uint32{id}
	}
	return nil
}

// Start is the id before a text: GPT-2 separates texts by the token that ends them.
func (c *GPT2Config) Start() (uint32, bool) { return tokenID(c.EOSTokenID) }

var _, _ Causal = (*GPT2Config)(nil), (*LlamaConfig)(nil)
