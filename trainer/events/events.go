// Package events writes the scalars of a run as TensorBoard reads them: a file of TFRecords, each of which holds an Event.
//
// A TFRecord is a length of 8 bytes, its checksum, the data, and its checksum, all little-endian; checksums are CRC-32C, masked
// (https://www.tensorflow.org/tutorials/load_data/tfrecord). An Event is a protocol buffer (tensorflow/core/util/event.proto):
//
//	1 wall_time double | 2 step int64 | 3 file_version string | 5 summary { 1 value { 1 tag string | 2 simple_value float } … }
//
// Times are left to the caller; a run that promises the same bytes each time gives steps in their place.
package events

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Scalar is one number of a step, by the name that TensorBoard shows it under. A slash in it makes groups.
type Scalar struct {
	Tag   string
	Value float64
}

// AppendVersion appends the record that every file begins with.
func AppendVersion(dst []byte) []byte {
	return appendRecord(dst, appendBytes(nil, 3, []byte("brain.Event:2")))
}

// AppendScalars appends the record of a step.
func AppendScalars(dst []byte, wallTime float64, step int64, scalars []Scalar) []byte {
	var summary, value []byte
	for _, s := range scalars {
		value = appendBytes(value[:0], 1, []byte(s.Tag))
		value = append(value, 2<<3|fixed32)
		value = binary.LittleEndian.AppendUint32(value, math.Float32bits(float32(s.Value)))
		summary = appendBytes(summary, 1, value)
	}
	event := appendFixed64(nil, 1, math.Float64bits(wallTime))
	event = append(event, 2<<3|varint)
	event = binary.AppendUvarint(event, uint64(step))
	event = appendBytes(event, 5, summary)
	return appendRecord(dst, event)
}

// The wire types of protocol buffers that are used here.
const (
	varint  = 0
	fixed64 = 1
	length  = 2
	fixed32 = 5
)

func appendFixed64(dst []byte, field byte, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, field<<3|fixed64), v)
}

func appendBytes(dst []byte, field byte, v []byte) []byte {
	dst = binary.AppendUvarint(append(dst, field<<3|length), uint64(len(v)))
	return append(dst, v...)
}

func appendRecord(dst, data []byte) []byte {
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(data)))
	dst = append(dst, size[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, masked(size[:]))
	dst = append(dst, data...)
	return binary.LittleEndian.AppendUint32(dst, masked(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum as TFRecords store it, so that checksums of data with checksums in them stay good.
func masked(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
