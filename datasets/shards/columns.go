package shards

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/endian"
	"github.com/shardmill/shardmill/schemas"
)

// Columns of a shard, in their order.
const (
	columnTokens = iota
	columnID
	columnSource
	columnOffset
	columnCount
)

// TokenBytes is the width of the smallest type that holds the ids of a vocabulary: 2 or 4.
func TokenBytes(vocabSize int) int {
	if vocabSize <= 1<<16 {
		return 2
	}
	return 4
}

// Columns describes the columns of a shard for a manifest.
func Columns(tokenBytes int) []schemas.Column {
	return []schemas.Column{
		{Name: "tokens", Type: fmt.Sprintf("list<uint%d>", 8*tokenBytes)},
		{Name: "id", Type: "utf8"},
		{Name: "source", Type: "utf8"},
		{Name: "offset", Type: "int64"},
	}
}

// tokenType is the Arrow type of a token id.
func tokenType(tokenBytes int) arrow.DataType {
	if tokenBytes == 2 {
		return arrow.PrimitiveTypes.Uint16
	}
	return arrow.PrimitiveTypes.Uint32
}

// arrowSchema is the schema of every shard with ids of that width.
func arrowSchema(tokenBytes int) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "tokens", Type: arrow.ListOfNonNullable(tokenType(tokenBytes))},
		{Name: "id", Type: arrow.BinaryTypes.String},
		{Name: "source", Type: arrow.BinaryTypes.String},
		{Name: "offset", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
}

// checkMachine refuses machines whose memory does not have the layout of the files, which are mapped, not converted.
func checkMachine() error {
	if endian.NativeEndian != endian.LittleEndian {
		return fmt.Errorf("shards are little endian and need a little-endian machine")
	}
	return nil
}
