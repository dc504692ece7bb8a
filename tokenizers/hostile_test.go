package tokenizers

import (
	"strings"
	"testing"
)

// hostile files have what only a mistake or an attack makes of a tokenizer.json. Errors name the field.
func TestLoadRefusesHostileFiles(t *testing.T) {
	const model = `"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}`
	many := func(part string, n int) string { return strings.TrimSuffix(strings.Repeat(part+",", n), ",") }
	template := func(rest string) string { return `"post_processor":{"type":"TemplateProcessing",` + rest + `}` }
	truncation := func(max, strategy, stride, direction string) string {
		return `"truncation":{"max_length":` + max + `,"strategy":` + strategy + `,"stride":` + stride + `,"direction":` + direction + `}`
	}
	padding := func(strategy, rest string) string { return `"padding":{"strategy":` + strategy + rest + `}` }
	const pad = `,"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"[PAD]"`
	tests := []struct{ name, part, want string }{
		{"truncation is a number", `"truncation":3`, "truncation: expected an object"},
		{"no max_length", `"truncation":{"strategy":"LongestFirst","stride":0}`, "truncation.max_length: is missing"},
		{"no stride", `"truncation":{"strategy":"LongestFirst","max_length":0}`, "truncation.stride: is missing"},
		{"negative max_length", truncation("-1", `"LongestFirst"`, "0", `"Left"`), "truncation.max_length: -1 is not a whole number"},
		{"fractional max_length", truncation("1.5", `"LongestFirst"`, "0", `"Left"`), "truncation.max_length: 1.5 is not a whole number"},
		{"max_length of many digits", truncation("99999999999999999999999", `"LongestFirst"`, "0", `"Left"`), "truncation.max_length: 99999999999999999999999 is not"},
		{"unknown strategy", truncation("1", `"Middle"`, "0", `"Left"`), `truncation.strategy: "Middle" is not known`},
		{"long strategy", truncation("1", `"`+strings.Repeat("x", 1<<20)+`"`, "0", `"Left"`), "…"},
		{"unknown direction", truncation("1", `"OnlyFirst"`, "0", `"Up"`), `truncation.direction: "Up" is not known`},
		{"stride is a string", truncation("1", `"OnlyFirst"`, `"0"`, `"Left"`), "truncation.stride: expected a number"},
		{"max_length twice", `"truncation":{"max_length":1,"max_length":2}`, "truncation.max_length: given twice"},
		{"padding strategy", padding(`"Shortest"`, pad), `padding.strategy: "Shortest" is not known`},
		{"padding strategy is a list", padding(`[3]`, pad), "padding.strategy: expected an object"},
		{"fixed is negative", padding(`{"Fixed":-3}`, pad), "padding.strategy.Fixed: -3 is not a whole number"},
		{"fixed lacks", padding(`{"Fix":3}`, pad), "padding.strategy.Fixed: is missing"},
		{"no pad token", padding(`"BatchLongest"`, strings.Replace(pad, "pad_token", "token", 1)), "padding.pad_token: is missing"},
		{"pad id of 64 bits", padding(`"BatchLongest"`, strings.Replace(pad, `"pad_id":0`, `"pad_id":4294967296`, 1)), "padding.pad_id: 4294967296 is not a whole number"},
		{"no direction", padding(`"BatchLongest"`, strings.Replace(pad, `"direction":"Right",`, "", 1)), "padding.direction: is missing"},

		{"words of no characters", `"pre_tokenizer":{"type":"FixedLength","length":0}`, "pre_tokenizer.length: is 0"},
		{"words of -1 characters", `"pre_tokenizer":{"type":"FixedLength","length":-1}`, "pre_tokenizer.length: -1 is not"},
		{"regular expression of a megabyte", `"pre_tokenizer":{"type":"Split","pattern":{"Regex":"` + strings.Repeat("a", 1<<20) + `"},"behavior":"Removed","invert":false}`, "pre_tokenizer.pattern.Regex: "},
		{"regular expression that replaces nothing", `"normalizer":{"type":"Replace","pattern":{"Regex":"a*"},"content":"x"}`, "normalizer.pattern.Regex: can match nothing"},
		{"regular expression that replaces a look", `"normalizer":{"type":"Replace","pattern":{"Regex":"(?=a)"},"content":"x"}`, "normalizer.pattern.Regex: can match nothing"},
		{"many parts", `"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + many(`{"type":"Whitespace"}`, maxParts+1) + `]}`, "pre_tokenizer.pretokenizers[256]: more than 256 parts"},
		{"many processors", `"post_processor":{"type":"Sequence","processors":[` + many(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false}`, maxParts+1) + `]}`, "post_processor.processors[256]: more than 256 parts"},
		{"pre-tokenizers that grow", `"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + many(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true}`, 10) + `]}`, "pre_tokenizer.pretokenizers: together they can make a text more than"},
		{"nested pre-tokenizers that grow", `"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + many(`{"type":"Sequence","pretokenizers":[`+many(`{"type":"Metaspace","replacement":"_"}`, 3)+`]}`, 3) + `]}`, "pre_tokenizer.pretokenizers: together"},
		{"prefixes that grow", `"normalizer":{"type":"Sequence","normalizers":[` + many(`{"type":"Prepend","prepend":"`+strings.Repeat("x", 100)+`"}`, 3) + `]}`, "normalizer.normalizers: together"},
		{"bytes that grow", `"normalizer":{"type":"Sequence","normalizers":[` + many(`{"type":"ByteLevel"}`, 20) + `]}`, "normalizer.normalizers: together"},
		{"decoders that grow", `"decoder":{"type":"Sequence","decoders":[` + many(`{"type":"Replace","pattern":{"String":"a"},"content":"aaaa"}`, 8) + `]}`, "decoder.decoders: together"},
		{"decoders of nothing that grow", `"decoder":{"type":"Sequence","decoders":[` + many(`{"type":"BPEDecoder","suffix":""}`, 20) + `]}`, "decoder.decoders: together"},
		{"deep pre-tokenizers", `"pre_tokenizer":` + strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 1000), "nested more than 64 deep"},

		{"two templates", `"post_processor":{"type":"Sequence","processors":[` + many(strings.TrimPrefix(template(`"single":[],"pair":[],"special_tokens":{}`), `"post_processor":`), 2) + `]}`,
			"post_processor.processors: has two parts of type TemplateProcessing"},
		{"special token twice", template(`"single":[],"pair":[],"special_tokens":{"a":{"id":"a","ids":[0],"tokens":["a"]},"a":{"id":"a","ids":[1],"tokens":["b"]}}`), "given twice"},
		{"piece of two kinds", template(`"single":[{"Sequence":{"id":"A","type_id":0},"SpecialToken":{"id":"a","type_id":0}}],"pair":[],"special_tokens":{"a":{"id":"a","ids":[0],"tokens":["a"]}}`),
			"post_processor.single[0].SpecialToken: a piece is one SpecialToken or one Sequence"},
		{"piece of no kind", template(`"single":[{}],"pair":[],"special_tokens":{}`), "post_processor.single[0]: expected SpecialToken"},
		{"many pieces", template(`"single":[` + many(`{"Sequence":{"id":"A","type_id":0}}`, maxTemplatePieces+1) + `],"pair":[],"special_tokens":{}`), "post_processor.single[1024].Sequence: more than 1024 pieces"},
		{"added token is a string", `"added_tokens":["a"]`, "added_tokens[0]: expected an object"},
		{"added tokens are an object", `"added_tokens":{}`, "added_tokens: expected an array"},
		{"id that ends nowhere", `"added_tokens":[{"id":1e9,"content":"x"}]`, "added_tokens[0].id: 1e9 is not a whole number"},
		{"half a surrogate pair", `"decoder":{"type":"BPEDecoder","suffix":"\ud83d\u0041"}`, "decoder.suffix: lone surrogate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load([]byte("{" + test.part + "," + model + "}"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want one with %s", err, test.want)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestLoadRefusesHugeFiles(t *testing.T) {
	if _, err := Load(make([]byte, maxFileBytes+1)); err == nil || !strings.Contains(err.Error(), "file of more than") {
		t.Errorf("error is %v", err)
	}
}
